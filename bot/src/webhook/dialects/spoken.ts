import type { WebhookAction } from '@voiceoi/contracts';

type Say = Pick<Extract<WebhookAction, { type: 'say' }>, 'as' | 'value' | 'timezone'>;

const PHONETIC =
  'Alfa Bravo Charlie Delta Echo Foxtrot Golf Hotel India Juliett Kilo Lima Mike November Oscar Papa Quebec Romeo Sierra Tango Uniform Victor Whiskey X-ray Yankee Zulu'.split(
    ' ',
  );
const KEYS: { readonly [key: string]: string } = { '*': 'star', '#': 'pound' };

/** Digits as a voice says them one by one. */
export function spokenDigits(digits: string): string {
  return [...digits].map((digit) => KEYS[digit] ?? digit).join(' ');
}

/** What a voice has to read for `say`: platforms with speech synthesis have no command for it. */
export function spoken({ as, value, timezone }: Say): string {
  switch (as) {
    case 'digits':
      return spokenDigits(value);
    case 'number':
      return value;
    case 'letters':
      return [...value].join(' ');
    case 'phonetic':
      return [...value].map((letter) => PHONETIC[letter.toUpperCase().charCodeAt(0) - 65] ?? letter).join(' ');
    case 'date':
      return moment(value, timezone, { dateStyle: 'full' });
    case 'time':
      return moment(value, timezone, { timeStyle: 'short' });
    case 'datetime':
      return moment(value, timezone, { dateStyle: 'full', timeStyle: 'short' });
    default:
      return as satisfies never;
  }
}

function moment(epochSeconds: string, timezone: string | undefined, style: Intl.DateTimeFormatOptions): string {
  const zone = isZone(timezone) ? timezone : 'UTC';
  return new Intl.DateTimeFormat('en-US', { ...style, timeZone: zone }).format(new Date(Number(epochSeconds) * 1000));
}

function isZone(timezone: string | undefined): boolean {
  try {
    return timezone !== undefined && new Intl.DateTimeFormat('en-US', { timeZone: timezone }) !== undefined;
  } catch {
    return false;
  }
}
