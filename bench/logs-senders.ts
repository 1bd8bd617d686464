// Nodes as far as the master sees them: they post packed batches, come again when they are told to, and send again what was not answered.
import { Agent, request } from 'node:http';

/** Where to post, and with which key. */
export interface Target {
  readonly port: number;
  readonly key: string;
}

/** What happened at one post. */
interface Answer {
  readonly status: number;
  readonly retryAfter: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

function post({ port, key }: Target, packed: Buffer): Promise<Answer> {
  const headers = {
    'content-type': 'application/x-ndjson',
    'content-encoding': 'gzip',
    'content-length': packed.length,
    'x-organization-secret': key,
  };
  return new Promise((resolve) => {
    const lost = (): void => resolve({ status: 0, retryAfter: 0.1 });
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/api/sync/logs', headers, agent });
    sent.on('error', lost);
    sent.on('response', (response) => {
      response.resume();
      response.on('error', lost);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, retryAfter: Number(response.headers['retry-after'] ?? 1) }),
      );
    });
    sent.end(packed);
  });
}

/** Posts a batch until it is stored; returns how often it was told to come again. */
async function deliver(target: Target, packed: Buffer): Promise<number> {
  for (let refused = 0; ; refused++) {
    const { status, retryAfter } = await post(target, packed);
    if (status === 202) return refused;
    if (status !== 503 && status !== 0) throw new Error(`the master answered ${status}`);
    await new Promise((resolve) => setTimeout(resolve, retryAfter * 1000 * (1 + Math.random() / 4)));
  }
}

/** So many nodes post one batch after the other; returns the seconds that it took. */
export async function sendSteadily(target: Target, batches: readonly Buffer[], nodes: number): Promise<number> {
  const queue = batches.values();
  const startedAt = performance.now();
  const one = async (): Promise<void> => {
    for (const packed of queue) await deliver(target, packed);
  };
  await Promise.all(Array.from({ length: nodes }, one));
  return (performance.now() - startedAt) / 1000;
}

/** Batches come at a rate, whatever has become of those before; returns how often senders were told to come again, and the seconds. */
export async function sendAtRate(
  target: Target,
  batches: readonly Buffer[],
  perSecond: number,
): Promise<{ readonly refused: number; readonly offeredSeconds: number; readonly seconds: number }> {
  const startedAt = performance.now();
  const elapsed = (): number => (performance.now() - startedAt) / 1000;
  const sending: Promise<number>[] = [];
  for (const packed of batches) {
    const wait = sending.length / perSecond - elapsed();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait * 1000));
    sending.push(deliver(target, packed));
  }
  const offeredSeconds = elapsed();
  const refused = (await Promise.all(sending)).reduce((sum, n) => sum + n, 0);
  return { refused, offeredSeconds, seconds: elapsed() };
}
