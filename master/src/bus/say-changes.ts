import type { Cluster, Redis } from '@voiceoi/kernel';
import { channelOf, headOf, historyOf } from './names.ts';

/** A change as it goes into Redis. */
export interface Published {
  readonly revision: number;
  readonly sha256: string;
  readonly text: string;
}

/** About as many changes are kept; a node that is further behind asks the master. */
const HISTORY = 1000;

/** Puts changes into the history, where `isAnew` in the place of what it has, sets the head, and says `aloud`: in one round trip. */
export async function sayChanges(
  commands: Redis | Cluster,
  orgId: string,
  epoch: string,
  changes: readonly Published[],
  isAnew: boolean,
  aloud: readonly Published[],
): Promise<void> {
  const last = changes.at(-1);
  if (!last) return;
  const history = historyOf(orgId, epoch);
  const pipeline = commands.pipeline();
  pipeline.hget(headOf(orgId), 'epoch');
  // Before an organization's first revision there is nothing: what is there was another's of the same name.
  if (isAnew) pipeline.del(history);
  for (const { revision, text } of changes)
    pipeline.xadd(history, 'MAXLEN', '~', HISTORY, `${revision}-0`, 'change', text);
  pipeline.hset(headOf(orgId), { epoch, revision: last.revision, sha256: last.sha256 });
  for (const { text } of aloud) pipeline.publish(channelOf(orgId), text);
  const answers = (await pipeline.exec()) ?? [];
  for (const [error] of answers) if (error && !isThereAlready(error)) throw error;
  const before = answers[0]?.[1];
  // Nobody reads an older epoch's history any more.
  if (typeof before === 'string' && before !== epoch) await commands.del(historyOf(orgId, before));
}

/** An entry of the history that another master, or we before a failure, had written. */
function isThereAlready(error: Error): boolean {
  return error.message.includes('equal or smaller than the target stream top item');
}
