import { createHmac } from 'node:crypto';
import { sameSecret } from '@voiceoi/kernel';

/**
 * Whether Twilio signed a form (https://www.twilio.com/docs/usage/security#validating-requests): base64 of HMAC-SHA1 over the address as Twilio
 * called it and each parameter, sorted by name, its value behind it. Of a name that is there several times, each value counts once.
 */
export function isTwilioSignature(authToken: string, url: string, form: URLSearchParams, signature: string): boolean {
  return authToken !== '' && sameSecret(signature, twilioSignature(authToken, url, form));
}

export function twilioSignature(authToken: string, url: string, form: URLSearchParams): string {
  const names = [...new Set(form.keys())].sort();
  const parameters = names.map((name) =>
    [...new Set(form.getAll(name))]
      .sort()
      .map((value) => name + value)
      .join(''),
  );
  return createHmac('sha1', authToken)
    .update(Buffer.from(url + parameters.join(''), 'utf8'))
    .digest('base64');
}
