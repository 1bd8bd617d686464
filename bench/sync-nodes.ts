// Many nodes in one process, for bench/sync.ts, which talks with it over IPC: the real sync engine without AGI, or bare subscribers of Redis as the floor.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, createMetrics, type OpenRedis, openRedis } from '@voiceoi/kernel';
import { Redis } from 'ioredis';
import { createKeyRing } from '../bot/src/keys/index.ts';
import { type Configuration, diskStore, startConfiguration } from '../bot/src/sync/index.ts';

/** What the process is to be; `disk`: nodes keep their bundle in a file, as a bot does. */
export type Plan =
  | {
      readonly kind: 'node';
      readonly nodes: number;
      readonly masterUrl: string;
      readonly key: string;
      readonly disk?: boolean;
    }
  | { readonly kind: 'bare'; readonly nodes: number; readonly port: number; readonly channel: string };

/** What the process says: `ready` once; `reached` when the last of its nodes has a revision; `used` when it is asked. */
export type Said =
  | { readonly kind: 'ready'; readonly startMs: number }
  | { readonly kind: 'reached'; readonly revision: number; readonly at: number }
  | { readonly kind: 'used'; readonly cpuMs: number; readonly applyMs: readonly number[] };

/** One for all: each brings timers of its own. */
const metrics = createMetrics({ mode: 'bench', version: '0' });
const plan: Plan = JSON.parse(process.argv[2] ?? '{}');
/** Revision of each node, and how many have reached each one. */
const held: number[] = new Array(plan.nodes).fill(Number.NaN);
const counts = new Map<number, number>();
let applyMs: number[] = [];
let ready = 0;

process.on('disconnect', () => process.exit());
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  say({ kind: 'used', cpuMs: (user + system) / 1000, applyMs });
  applyMs = [];
});
const startedAt = performance.now();
for (let index = 0; index < plan.nodes; index++) {
  if (plan.kind === 'bare') await startBare(index, plan.port, plan.channel);
  else await startNode(index, plan);
}

function say(said: Said): void {
  process.send?.(said);
}

/** Wall-clock time with microseconds: all processes of a machine agree on it. */
function now(): number {
  return performance.timeOrigin + performance.now();
}

function isThere(): void {
  if (++ready === plan.nodes) say({ kind: 'ready', startMs: performance.now() - startedAt });
}

function reached(node: number, revision: number): void {
  const at = now();
  const before = held[node] ?? Number.NaN;
  held[node] = revision;
  if (Number.isNaN(before)) return isThere();
  for (let next = before + 1; next <= revision; next++) {
    const count = (counts.get(next) ?? 0) + 1;
    if (count < plan.nodes) counts.set(next, count);
    else {
      counts.delete(next);
      say({ kind: 'reached', revision: next, at });
    }
  }
}

async function startBare(node: number, port: number, channel: string): Promise<void> {
  const client = new Redis({ host: '127.0.0.1', port });
  client.on('message', (_channel, text) => reached(node, Number.parseInt(text, 10)));
  await client.subscribe(channel);
  reached(node, 0);
}

async function startNode(node: number, { masterUrl, key, disk }: Extract<Plan, { kind: 'node' }>): Promise<void> {
  let started: Configuration | undefined;
  started = await startConfiguration({
    masterUrl,
    keys: createKeyRing([key]),
    store: disk ? diskStore(folder()) : { load: async () => [], save: async () => {} },
    bootstrap: undefined,
    openRedis: timed,
    log: createLogger({ level: 'silent', mode: 'bench' }),
    metrics,
    onApply: (orgId) => reached(node, started?.playable(orgId)?.revision ?? 0),
    onOrder: () => {},
  });
}

/** The kernel's, with a stopwatch around what a node does with a message before it plays it. */
function timed(...[address, name]: Parameters<OpenRedis>): ReturnType<OpenRedis> {
  const connections = openRedis(address, name);
  const { messages } = connections;
  messages.on('message', () => {
    const cameAt = performance.now();
    queueMicrotask(() => applyMs.push(performance.now() - cameAt));
  });
  return connections;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'voiceoi-bench-node-'));
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  return made;
}
