import type { Cluster, Redis, RedisConnections } from '@voiceoi/kernel';
import type { Head } from '../sync/index.ts';
import { channelOf, headOf, historyOf } from './names.ts';
import { type RedisUsers, redisServer } from './redis-users.ts';
import { type Published, sayChanges } from './say-changes.ts';

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
  /** Where Redis believes that an organization is; undefined where it knows nothing. */
  head(orgId: string): Promise<Head | undefined>;
  /** Makes the history anew, and says its last change again, so that nodes that missed it notice. */
  refill(orgId: string, epoch: string, changes: readonly Published[]): Promise<void>;
  /** Says where an organization is that has not changed since its epoch began: nodes of an older one notice. */
  begin(orgId: string, head: Head): Promise<void>;
  /** The servers, each with users of its own. */
  servers(): readonly RedisUsers[];
  /** No key of the organization is left. */
  forget(orgId: string): Promise<void>;
}

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
    publish: (orgId, epoch, changes) =>
      sayChanges(commands, orgId, epoch, changes, changes[0]?.revision === 1, changes),
    refill: (orgId, epoch, changes) => sayChanges(commands, orgId, epoch, changes, true, changes.slice(-1)),
    begin: async (orgId, { epoch, revision }) => {
      await forget(commands, orgId);
      await commands.hset(headOf(orgId), { epoch, revision });
    },
    announce: async (orgId, text) => void (await commands.publish(channelOf(orgId), text)),
    head: (orgId) => readHead(commands, orgId),
    servers: () => ('nodes' in commands ? commands.nodes('all') : [commands]).map(redisServer),
    forget: (orgId) => forget(commands, orgId),
  };
}

async function readHead(commands: Redis | Cluster, orgId: string): Promise<Head | undefined> {
  const [epoch, revision] = await commands.hmget(headOf(orgId), 'epoch', 'revision');
  return epoch && revision ? { epoch, revision: Number(revision) } : undefined;
}

async function forget(commands: Redis | Cluster, orgId: string): Promise<void> {
  const head = await readHead(commands, orgId);
  if (head) await commands.del(headOf(orgId), historyOf(orgId, head.epoch));
}
