import type { ServerResponse } from 'node:http';
import type { Change } from '@voiceoi/contracts';
import type { Bundles } from './bundles.ts';
import type { ChangeFeed } from './feed.ts';

/** Contract: a `ping` at least this often. */
const PING_MS = 15_000;
/** A reader that is this far behind is cut off; it comes back and gets a whole bundle. */
const MOST_BUFFERED = 4 * 1024 * 1024;

/** What an open stream is made of. */
interface StreamOptions {
  readonly response: ServerResponse;
  readonly orgId: string;
  readonly bundles: Bundles;
  readonly feed: ChangeFeed;
  /** What the node has; undefined: nothing, or nothing that can be built upon. */
  readonly since: number | undefined;
}

/** Sends an organization's changes as server-sent events until the node or the master goes. Resolves once it has begun. */
export async function openStream({ response, orgId, bundles, feed, since }: StreamOptions): Promise<void> {
  let sent = since ?? -1;
  let epoch = '';
  const write = (event: string, id: string | undefined, data: string): void => {
    if (response.writableLength > MOST_BUFFERED) response.destroy();
    else response.write(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`);
  };
  const begin = await bundles.current(orgId);
  epoch = begin.epoch;
  if (since === undefined) {
    write('full', `${epoch}:${begin.revision}`, begin.json);
    sent = begin.revision;
  }
  const unsubscribe = feed.subscribe(orgId, sent, (change: Change) => {
    if (change.to <= sent) return;
    sent = change.to;
    epoch = change.epoch;
    write('change', `${epoch}:${sent}`, JSON.stringify(change));
  });
  const ping = (): void => write('ping', undefined, JSON.stringify({ epoch, revision: sent }));
  ping();
  const pings = setInterval(ping, PING_MS);
  response.once('close', () => {
    clearInterval(pings);
    unsubscribe();
  });
}
