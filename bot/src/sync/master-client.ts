import { askWithKeys, type OrgKeys } from '../keys/index.ts';
import { type ConfigSource, type MasterAnswer, MasterError } from './config-source.ts';
import { type ServerSentEvent, ServerSentEventReader } from './server-sent-events.ts';

/** How the master is asked for one organization. */
export interface MasterClientOptions {
  readonly masterUrl: string;
  readonly keys: OrgKeys;
  /** How long an answer may take; 15,000 by default. */
  readonly fetchTimeoutMs?: number;
  /** A stream says `ping` every 15 s; without a word for this long it is dead. 40,000 by default. */
  readonly streamSilenceMs?: number;
}

/** Asks the master over HTTP: the source that is always there. */
export function masterClient(options: MasterClientOptions): ConfigSource {
  const { masterUrl, keys, fetchTimeoutMs = 15_000, streamSilenceMs = 40_000 } = options;
  const { orgId } = keys;
  let skewMs = 0;
  const request = async (path: string, headers: { readonly [name: string]: string }, signal: AbortSignal) => {
    let sentAt = Date.now();
    const response = await askWithKeys(keys, (key) => {
      sentAt = Date.now();
      return ask(`${masterUrl}${path}`, { 'x-organization-secret': key, ...headers }, signal);
    });
    if (!isGood(response)) throw new MasterError(response.status, `the master answered ${response.status}`);
    const masterTime = Number(response.headers.get('x-voiceoi-time'));
    if (masterTime > 0) skewMs = masterTime - (sentAt + Date.now()) / 2;
    return response;
  };
  const inTime = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(fetchTimeoutMs)]);
  const campaigns = `/api/sync/campaigns?org_id=${orgId}`;
  return {
    clockSkewMs: () => skewMs,
    fetchWhole: async (etag, signal) => {
      const response = await request(campaigns, etag ? { 'if-none-match': etag } : {}, inTime(signal));
      if (response.status === 304) return { kind: 'current' };
      return { kind: 'bundle', bundle: await readJson(response), etag: response.headers.get('etag') ?? undefined };
    },
    fetchSince: async ({ epoch, revision }, signal) => {
      const path = `${campaigns}&since=${revision}&epoch=${encodeURIComponent(epoch)}`;
      return readSyncAnswer(await readJson(await request(path, {}, inTime(signal))));
    },
    stream: (since, signal) => {
      const query = since ? `&since=${since.revision}&epoch=${encodeURIComponent(since.epoch)}` : '';
      const path = `/api/sync/stream?org_id=${orgId}${query}`;
      return readStream((stop) => request(path, { accept: 'text/event-stream' }, stop), signal, streamSilenceMs);
    },
  };
}

async function ask(url: string, headers: { readonly [name: string]: string }, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers, signal, redirect: 'error' }).catch((error: unknown) => {
    throw new MasterError(0, `the master does not answer (${reasonOf(error)})`);
  });
  if (!isGood(response)) await response.body?.cancel().catch(() => {});
  return response;
}

function isGood({ ok, status }: Response): boolean {
  return ok || status === 304;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  const cause = error.cause instanceof Error && 'code' in error.cause ? String(error.cause.code) : undefined;
  return cause ?? error.name;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    throw new MasterError(0, 'the master’s answer broke off or is no JSON');
  }
}

function readSyncAnswer(value: unknown): MasterAnswer {
  const answer = typeof value === 'object' && value !== null ? value : {};
  const intent = 'intent' in answer ? answer.intent : undefined;
  if (intent === 'none') return { kind: 'current' };
  if (intent === 'changes' && 'changes' in answer && Array.isArray(answer.changes))
    return { kind: 'changes', changes: answer.changes };
  if (intent === 'full' && 'bundle' in answer) return { kind: 'bundle', bundle: answer.bundle, etag: undefined };
  throw new MasterError(0, 'the master’s answer has another shape');
}

/** Reads a stream until it ends, fails or says nothing for `silenceMs`, before its first word too. */
async function* readStream(
  open: (signal: AbortSignal) => Promise<Response>,
  signal: AbortSignal,
  silenceMs: number,
): AsyncGenerator<ServerSentEvent> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), silenceMs);
  try {
    const response = await open(AbortSignal.any([signal, silence.signal]));
    const reader = new ServerSentEventReader();
    for await (const piece of textOf(response)) {
      timer.refresh();
      yield* reader.push(piece);
    }
  } catch (error) {
    if (silence.signal.aborted) throw new MasterError(0, 'the master’s stream has gone silent');
    if (error instanceof MasterError) throw error;
    throw new MasterError(0, `the master’s stream broke off (${reasonOf(error)})`);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

function textOf(response: Response): AsyncIterable<string> {
  if (!response.body) throw new MasterError(0, 'the master’s stream has no content');
  return response.body.pipeThrough(new TextDecoderStream());
}
