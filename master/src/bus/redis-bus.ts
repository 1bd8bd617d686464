import type { Cluster, Redis, RedisConnections } from '@voiceoi/kernel';
import type { Head } from '../sync/index.ts';
import { accessRules } from './access.ts';
import { channelOf, headOf, historyOf, userOf } from './names.ts';

/** A change as it goes into Redis. */
export interface Published {
  readonly revision: number;
  readonly sha256: string;
  readonly text: string;
}

/** What the master does in Redis. Everything rejects while Redis is away, at once. */
export interface RedisBus {
  isUp(): boolean;
  /** Calls back whenever a connection stands: at first, and after each time that it was lost. */
  onUp(listener: () => void): void;
  /** Calls back whenever it was lost. */
  onDown(listener: () => void): void;
  /** Changes of one organization in order: history, head and channel in one round trip. What is in the history already is passed over. */
  publish(orgId: string, epoch: string, changes: readonly Published[]): Promise<void>;
  /** Says something to an organization's nodes that is not kept. */
  announce(orgId: string, text: string): Promise<void>;
  /** Where Redis believes that organizations are; undefined where it knows nothing. */
  heads(orgIds: readonly string[]): Promise<readonly (Head | undefined)[]>;
  /** Makes the history anew, and says its last change again, so that nodes that missed it notice. */
  refill(orgId: string, epoch: string, changes: readonly Published[]): Promise<void>;
  /** Makes or changes the organization's user. */
  grant(orgId: string, passwords: readonly string[]): Promise<void>;
  /** Ends the connections of an organization's nodes; they come back if they may. */
  disconnect(orgId: string): Promise<void>;
  /** Nothing of the organization is left. */
  forget(orgId: string, epoch: string): Promise<void>;
}

/** About as many changes are kept; a node that is further behind asks the master. */
const HISTORY = 1000;

export function redisBus({ commands, messages }: RedisConnections): RedisBus {
  return {
    isUp: () => commands.status === 'ready',
    onUp: (listener) => {
      commands.on('ready', listener);
      // A server that came back behind another connection of the same cluster has forgotten its users.
      if (messages !== commands) messages.on('ready', listener);
      if (commands.status === 'ready') listener();
    },
    onDown: (listener) => void commands.on('close', listener),
    publish: (orgId, epoch, changes) => write(commands, orgId, epoch, changes, false),
    refill: (orgId, epoch, changes) => write(commands, orgId, epoch, changes, true),
    announce: async (orgId, text) => void (await commands.publish(channelOf(orgId), text)),
    heads: (orgIds) => Promise.all(orgIds.map((orgId) => readHead(commands, orgId))),
    grant: (orgId, passwords) =>
      everywhere(commands, (server) => server.acl('SETUSER', userOf(orgId), ...accessRules(orgId, passwords))),
    disconnect: (orgId) => everywhere(commands, (server) => server.client('KILL', 'USER', userOf(orgId))),
    forget: async (orgId, epoch) => {
      await everywhere(commands, (server) => server.acl('DELUSER', userOf(orgId)));
      await commands.del(headOf(orgId), historyOf(orgId, epoch));
    },
  };
}

async function write(
  commands: Redis | Cluster,
  orgId: string,
  epoch: string,
  changes: readonly Published[],
  isRefill: boolean,
): Promise<void> {
  const last = changes.at(-1);
  if (!last) return;
  const history = historyOf(orgId, epoch);
  const pipeline = commands.pipeline();
  if (isRefill) pipeline.del(history);
  for (const { revision, text } of changes)
    pipeline.xadd(history, 'MAXLEN', '~', HISTORY, `${revision}-0`, 'change', text);
  pipeline.hset(headOf(orgId), { epoch, revision: last.revision, sha256: last.sha256 });
  for (const { text } of isRefill ? [last] : changes) pipeline.publish(channelOf(orgId), text);
  for (const [error] of (await pipeline.exec()) ?? []) if (error && !isThereAlready(error)) throw error;
}

/** An entry of the history that another master, or we before a failure, had written. */
function isThereAlready(error: Error): boolean {
  return error.message.includes('equal or smaller than the target stream top item');
}

async function readHead(commands: Redis | Cluster, orgId: string): Promise<Head | undefined> {
  const [epoch, revision] = await commands.hmget(headOf(orgId), 'epoch', 'revision');
  return epoch && revision ? { epoch, revision: Number(revision) } : undefined;
}

/** Users live in each server by itself: they are neither replicated nor shared within a cluster. */
async function everywhere(commands: Redis | Cluster, act: (server: Redis) => Promise<unknown>): Promise<void> {
  const servers = 'nodes' in commands ? commands.nodes('all') : [commands];
  await Promise.all(servers.map(act));
}
