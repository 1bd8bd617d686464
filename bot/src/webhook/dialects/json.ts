import { type WebhookAnswer, WebhookRequest } from '@voiceoi/contracts';
import { Check, Errors } from 'typebox/value';
import type { Dialect, Misunderstood, Told } from './dialect.ts';

/** VoiceOI's own dialect: the actions as they are, whatever the other side makes of them. */
export const json: Dialect = {
  name: 'json',
  accepts: 'application/json',
  answers: 'application/json',
  read: (body) => {
    const request = parse(body);
    if (request === undefined) return { errors: [{ path: '', message: 'is no JSON' }] };
    return Check(WebhookRequest, request) ? told(request) : misunderstood(request);
  },
  misfit: () => undefined,
  write: ({ callId, state, actions, end }) => {
    const answer: WebhookAnswer = {
      call_id: callId,
      state,
      actions: [...actions],
      done: end !== undefined,
      ...(end && { outcome: end.outcome }),
      ...(end?.disposition !== undefined && { disposition: end.disposition }),
    };
    return JSON.stringify(answer);
  },
  nothing: '{}',
};

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function told(request: WebhookRequest): Told | Misunderstood {
  const { event, state, call_id, caller, lead = {}, ...rest } = request;
  const isNew = event === 'start';
  if (isNew && (state !== undefined || call_id !== undefined))
    return { errors: [{ path: '/event', message: 'is start, which a call that has begun does not take' }] };
  if (!isNew && state === undefined && call_id === undefined)
    return { errors: [{ path: '/state', message: 'is missing: every request after the first needs it' }] };
  const { digits, speech, recording, dial_status, failed } = rest;
  return {
    heard: {
      event,
      ...(digits !== undefined && { digits }),
      ...(speech !== undefined && { speech }),
      ...(recording !== undefined && { recording: readRecording(recording) }),
      ...(dial_status !== undefined && { dial_status }),
      ...(failed !== undefined && { failed }),
    },
    isNews: false,
    ...(state !== undefined && { state }),
    ...(call_id !== undefined && { callId: call_id }),
    sid: '',
    caller: { number: caller?.number ?? '', name: caller?.name ?? '' },
    dnid: '',
    lead,
  };
}

function readRecording({ file, duration_ms, ended_by, digit }: NonNullable<WebhookRequest['recording']>) {
  return {
    file,
    duration_ms,
    ...(ended_by !== undefined && { ended_by }),
    ...(digit !== undefined && { digit }),
  };
}

function misunderstood(request: unknown): Misunderstood {
  const errors = Errors(WebhookRequest, request).map(({ instancePath, message }) => ({ path: instancePath, message }));
  return { errors: errors.slice(0, 20) };
}
