import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type FakeMaster, startFakeMaster } from '../../../test/services/fake-master.ts';
import { bundleOf, contentOf, ringOf } from '../../../test/services/sync-world.ts';
import { masterClient } from './master-client.ts';

let master: FakeMaster;
beforeEach(async () => {
  master = await startFakeMaster();
});
afterEach(() => master.close());

const never = new AbortController().signal;
const client = (options: object = {}) =>
  masterClient({ masterUrl: master.url, keys: ringOf('abc').of('abc'), ...options });
const position = { epoch: 'e 1&x', revision: 4 };

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const event of events) found.push(event);
  return found;
}

describe('the master’s client', () => {
  test('gives the whole bundle with its ETag, and learns that it is current', async () => {
    const bundle = bundleOf(contentOf(3));
    master.serve(bundle);
    const answer = await client().fetchWhole(undefined, never);
    expect(answer).toMatchObject({ kind: 'bundle', bundle });
    const etag = answer.kind === 'bundle' ? answer.etag : undefined;
    expect(await client().fetchWhole(etag, never)).toEqual({ kind: 'current' });
  });

  test('says where it is, escaped', async () => {
    master.answerSince = { intent: 'none' };
    expect(await client().fetchSince(position, never)).toEqual({ kind: 'current' });
    expect(master.requests[0]?.query.get('epoch')).toBe('e 1&x');
    expect(master.requests[0]?.query.get('since')).toBe('4');
  });

  test('learns how far the master’s clock is from its own', async () => {
    const ahead = 3_600_000;
    master.intercept = (_request, response) => {
      response.writeHead(200, { 'x-voiceoi-time': String(Date.now() + ahead) }).end('{"intent":"none"}');
      return true;
    };
    const asked = client();
    await asked.fetchSince(position, never);
    expect(Math.abs(asked.clockSkewMs() - ahead)).toBeLessThan(1000);
  });

  test.each([
    ['nothing that it knows', 200, '{"intent":"maybe"}', 'another shape'],
    ['no JSON', 200, '<html>', 'no JSON'],
    ['an error', 503, '', 'answered 503'],
    ['a redirect', 302, '', 'does not answer'],
  ])('fails for an answer that is %s', async (_what, status, body, message) => {
    master.intercept = (_request, response) => {
      response.writeHead(status, { location: '/elsewhere' }).end(body);
      return true;
    };
    await expect(client().fetchSince(position, never)).rejects.toThrow(message);
  });

  test('fails for a master that hangs, is away, or breaks off in the middle', async () => {
    master.intercept = () => true;
    await expect(client({ fetchTimeoutMs: 30 }).fetchWhole(undefined, never)).rejects.toThrow('does not answer');
    master.intercept = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"half":', () => response.destroy());
      return true;
    };
    await expect(client().fetchWhole(undefined, never)).rejects.toThrow('broke off');
    await master.down();
    await expect(client().fetchWhole(undefined, never)).rejects.toThrow('does not answer');
  });

  test('ends a stream that has gone silent, whether or not it ever spoke', async () => {
    const silent = client({ streamSilenceMs: 40 });
    await expect(all(silent.stream(undefined, never))).rejects.toThrow('silent');
    master.intercept = () => true;
    await expect(all(silent.stream(undefined, never))).rejects.toThrow('silent');
  });

  test('ends a stream when it is told to, and when the master ends it', async () => {
    const stop = new AbortController();
    const events = all(client().stream(position, stop.signal));
    const stopped = expect(events).rejects.toThrow(/broke off|does not answer/);
    await vi.waitFor(() => expect(master.openStreams()).toBe(1));
    master.emit('ping', {});
    stop.abort();
    await stopped;
    master.intercept = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: ping\ndata: {}\n\n');
      return true;
    };
    expect(await all(client().stream(position, never))).toEqual([{ event: 'ping', data: '{}' }]);
  });
});
