import { writeSync } from 'node:fs';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import { diskSpool } from '../../bot/src/spool/index.ts';
import { ringOf } from './sync-world.ts';

/**
 * A process that takes calls until it is killed, for tests of what is left then. Says `start <call>` behind each call's first record, and
 * `call <call>` once it was told that the call's record is safe. Words: folder, address of the master.
 */
const [folder = '', masterUrl = ''] = process.argv.slice(2);
const sink = await diskSpool({
  folder,
  masterUrl,
  keys: ringOf('abc'),
  log: createLogger({ level: 'silent', mode: 'test' }),
  metrics: createMetrics({ mode: 'test', version: '0' }),
  flushMs: 30,
  retryMs: 20,
  segmentBytes: 16 * 1024,
  recordOfKilled: () => undefined,
});

const record = (n: string, kind: 'start' | 'event' | 'call') => ({
  text: JSON.stringify({ n, kind, padding: 'x'.repeat(300) }),
  kind,
  callId: n,
});
let next = 0;

async function call(): Promise<void> {
  const n = `call-${process.pid}-${next++}`;
  sink.append('abc', [record(n, 'start')]);
  await sink.settled('abc');
  writeSync(1, `start ${n}\n`);
  // Every fourth is long, so that the segment of its start is sent and gone while it lasts.
  await new Promise((resolve) => setTimeout(resolve, next % 4 === 0 ? 60_000 : Math.random() * 20));
  sink.append('abc', [record(n, 'event'), record(n, 'call')]);
  await sink.settled('abc');
  writeSync(1, `call ${n}\n`);
}

setInterval(() => {
  for (let count = 0; count < 3; count++) void call();
}, 2);
