import type { RedisBus } from '@voiceoi/contracts';
import { type OpenRedis, pause, type RedisConnections } from '@voiceoi/kernel';
import type { Position } from './config-source.ts';

/** What comes of following an organization in Redis. Any of it may be forged: whoever takes it has to verify it. */
export interface RedisEvents {
  /** A change, or what says to be one; `isRepair`: read from the history and not heard. */
  change(value: unknown, isRepair: boolean): void;
  /** A node order, or what says to be one. */
  order(value: unknown): void;
  /** Changes come from here now, or no longer. */
  up(isUp: boolean): void;
  /** Something is missing that Redis does not have. */
  missing(): void;
  /** Redis does not let us in: the bus of a newer bundle may. */
  refused(): void;
}

interface FollowerOptions {
  readonly bus: RedisBus;
  readonly orgId: string;
  readonly open: OpenRedis;
  /** Where the node is. */
  readonly position: () => Position | undefined;
  readonly events: RedisEvents;
  /** How often the head is looked at: a message that was lost is noticed within this time. */
  readonly lookMs: number;
  readonly signal: AbortSignal;
}

/** Longest history that is read; a node that is further behind asks the master. */
const MOST_CHANGES = 500;
/** Longest message that is read, in characters. The master's have 64 KiB at most; anyone may write to Redis, and reading takes its time from calls. */
const LONGEST_MESSAGE = 80 * 1024;

/** Follows one organization in Redis until `signal` is aborted. */
export interface RedisFollower {
  /** Reads what is missing from the history. */
  repair(): void;
  close(): void;
}

export function followRedis(options: FollowerOptions): RedisFollower {
  const { bus, orgId, open, events, signal } = options;
  const connections = open(bus, `voiceoi-node-${orgId}`);
  const { messages } = connections;
  const channel = `voiceoi:{${orgId}}:changes`;
  let isRepairing = false;
  let isAskedAgain = false;
  let isUp = false;
  let refusals = 0;
  const closing = new AbortController();

  const setUp = (now: boolean): void => {
    // What was under way when it was closed must not say that Redis is there.
    if (now === isUp || (now && closing.signal.aborted)) return;
    isUp = now;
    events.up(now);
  };
  /** One at a time; what was asked for meanwhile may be behind what was read. */
  const repair = (): void => {
    isAskedAgain = isRepairing;
    if (isRepairing) return;
    isRepairing = true;
    repairOnce(options, connections)
      .catch(() => closing.signal.aborted || events.missing())
      .finally(() => {
        isRepairing = false;
        if (isAskedAgain) repair();
      });
  };
  const begin = async (): Promise<void> => {
    await messages.subscribe(channel);
    // What was said before we listened is in the history.
    repair();
    refusals = 0;
    setUp(true);
  };
  const onError = (error: Error): void => {
    // Not each time: a whole bundle is much to ask for.
    if (/WRONGPASS|NOAUTH|NOPERM/.test(error.message) && Number.isInteger(Math.log2(++refusals))) events.refused();
  };
  const tryToBegin = (): void => {
    begin().catch((error: unknown) => error instanceof Error && onError(error));
  };
  messages.on('error', onError);
  messages.on('ready', tryToBegin);
  messages.on('close', () => setUp(false));
  messages.on('message', (on: string, text: string) => {
    if (on !== channel) return;
    const value = parseJson(text);
    if (isOrder(value)) events.order(value);
    else events.change(value, false);
  });
  void look(options.lookMs, closing.signal, () => {
    if (isUp) repair();
    // The connection stands, and what was asked for on it was refused or had no answer.
    else if (messages.status === 'ready') tryToBegin();
  });
  const close = (): void => {
    closing.abort();
    connections.close();
    setUp(false);
  };
  signal.addEventListener('abort', close);
  return {
    repair,
    close: () => {
      signal.removeEventListener('abort', close);
      close();
    },
  };
}

async function look(lookMs: number, signal: AbortSignal, act: () => void): Promise<void> {
  while (!signal.aborted) {
    // Not all nodes at once.
    await pause(lookMs * (0.8 + Math.random() * 0.2), signal);
    if (!signal.aborted) act();
  }
}

/** Brings the node to where the head says that the organization is. */
async function repairOnce({ orgId, position, events }: FollowerOptions, { commands }: RedisConnections): Promise<void> {
  const ours = position();
  const [epoch, revision] = await commands.hmget(`voiceoi:{${orgId}}:head`, 'epoch', 'revision');
  if (!ours || !epoch || epoch !== ours.epoch) return events.missing();
  if (Number(revision) <= ours.revision) return;
  const history = `voiceoi:{${orgId}}:history:${epoch}`;
  const entries = await commands.xrange(history, `${ours.revision + 1}-0`, '+', 'COUNT', MOST_CHANGES);
  for (const [, [, text]] of entries) events.change(parseJson(text ?? ''), true);
  const now = position();
  if (now?.epoch === epoch && now.revision < Number(revision)) events.missing();
}

function parseJson(text: string): unknown {
  if (text.length > LONGEST_MESSAGE) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isOrder(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'type' in value && value.type === 'order';
}
