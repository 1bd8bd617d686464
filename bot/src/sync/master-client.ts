/** How one organization's key asks the master. */
export interface MasterClientOptions {
  readonly masterUrl: string;
  readonly orgId: string;
  readonly key: string;
}

/** What the master has answered; `masterTimeMs` is its clock as it did, for the propagation metric alone. */
export type MasterAnswer =
  | { readonly kind: 'bundle'; readonly bundle: unknown; readonly etag: string | undefined }
  | { readonly kind: 'changes'; readonly changes: readonly unknown[] }
  | { readonly kind: 'current' };

/** The master could not be asked, or refused. `status` is 0 when no answer came. */
export class MasterError extends Error {
  readonly code = 'MASTER';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** One event of the master's stream. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** Asks the master over HTTP: the source that is always there. */
export interface ConfigSource {
  /** The whole bundle, or that the one with this ETag is current. @throws MasterError */
  fetchWhole(etag: string | undefined): Promise<MasterAnswer>;
  /** What has changed since a revision. @throws MasterError */
  fetchSince(epoch: string, revision: number): Promise<MasterAnswer>;
  /** Events as they come, until the stream ends or `signal` is aborted. @throws MasterError */
  stream(
    since: { readonly epoch: string; readonly revision: number } | undefined,
    signal: AbortSignal,
  ): AsyncIterable<StreamEvent>;
  /** How far the master's clock is ahead of ours, in milliseconds, as last seen. */
  clockSkewMs(): number;
}

const FETCH_TIMEOUT_MS = 15_000;
/** A stream says `ping` every 15 s; without a word for this long it is dead. */
const STREAM_SILENCE_MS = 40_000;

export function masterClient({ masterUrl, orgId, key }: MasterClientOptions): ConfigSource {
  let skewMs = 0;
  const request = async (
    path: string,
    headers: { readonly [name: string]: string },
    signal: AbortSignal,
  ): Promise<Response> => {
    const sentAt = Date.now();
    const response = await ask(`${masterUrl}${path}`, { 'x-organization-secret': key, ...headers }, signal);
    const masterTime = Number(response.headers.get('x-voiceoi-time'));
    if (masterTime > 0) skewMs = masterTime - (sentAt + Date.now()) / 2;
    return response;
  };
  const campaigns = `/api/sync/campaigns?org_id=${orgId}`;
  return {
    clockSkewMs: () => skewMs,
    fetchWhole: async (etag) => {
      const response = await request(
        campaigns,
        etag ? { 'if-none-match': etag } : {},
        AbortSignal.timeout(FETCH_TIMEOUT_MS),
      );
      if (response.status === 304) return { kind: 'current' };
      return { kind: 'bundle', bundle: await readJson(response), etag: response.headers.get('etag') ?? undefined };
    },
    fetchSince: async (epoch, revision) => {
      const path = `${campaigns}&since=${revision}&epoch=${encodeURIComponent(epoch)}`;
      return readSyncAnswer(await readJson(await request(path, {}, AbortSignal.timeout(FETCH_TIMEOUT_MS))));
    },
    stream: (since, signal) => {
      const query = since ? `&since=${since.revision}&epoch=${encodeURIComponent(since.epoch)}` : '';
      return readStream(() =>
        request(`/api/sync/stream?org_id=${orgId}${query}`, { accept: 'text/event-stream' }, signal),
      );
    },
  };
}

async function ask(url: string, headers: { readonly [name: string]: string }, signal: AbortSignal): Promise<Response> {
  const response = await fetch(url, { headers, signal, redirect: 'error' }).catch((error: unknown) => {
    throw new MasterError(0, `the master does not answer (${reasonOf(error)})`);
  });
  if (response.ok || response.status === 304) return response;
  await response.body?.cancel();
  throw new MasterError(response.status, `the master answered ${response.status}`);
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

async function* readStream(open: () => Promise<Response>): AsyncGenerator<StreamEvent> {
  const response = await open();
  if (!response.body) throw new MasterError(0, 'the master’s stream has no content');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await withinSilence(reader.read());
      if (done) return;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) yield parseEvent(block);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function withinSilence<T>(read: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new MasterError(0, 'the master’s stream has gone silent')), STREAM_SILENCE_MS);
  });
  try {
    return await Promise.race([read, silence]);
  } catch (error) {
    if (error instanceof MasterError) throw error;
    throw new MasterError(0, `the master’s stream broke off (${reasonOf(error)})`);
  } finally {
    clearTimeout(timer);
  }
}

function parseEvent(block: string): StreamEvent {
  const lines = block.split('\n');
  const field = (name: string): string[] =>
    lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ''));
  return { event: field('event')[0] ?? 'message', data: field('data').join('\n') };
}
