// A lean load generator in a process of its own: one environment, `200 result=…` to every line. Prints one JSON object.
import { connect, type Socket } from 'node:net';
import { percentiles } from '../tools/call/summary.ts';

/** What to do: `closed` keeps so many calls in flight; `open` starts them at a rate while others are held; `hold` opens them and waits for a line on stdin. */
interface Plan {
  readonly kind: 'closed' | 'open' | 'hold';
  readonly port: number;
  readonly campaign: string;
  readonly calls: number;
  readonly concurrency: number;
  readonly held: number;
  readonly perSecond: number;
}

const plan: Plan = JSON.parse(process.argv[2] ?? '{}');
const ENVIRONMENT = [
  ...[
    'network: yes',
    'network_script: agi',
    `request: agi://127.0.0.1:${plan.port}/agi`,
    'channel: Local/1000@rig-00000001;2',
    'language: en',
    'type: Local',
  ],
  ...[
    'uniqueid: 1795343324.12',
    'version: 22.10.1',
    'callerid: 3125550100',
    'calleridname: V1122101500000012345',
    'callingpres: 0',
    'callingani2: 0',
  ],
  ...[
    'callington: 0',
    'callingtns: 0',
    'dnid: unknown',
    'rdnis: unknown',
    'context: rig',
    'extension: 1000',
    'priority: 2',
    'enhanced: 0.0',
    'accountcode: ',
  ],
  ...['threadid: 140395893794496', `arg_1:  campaign_id=${plan.campaign}`, 'arg_2: org_id=abc'],
].map((line) => `agi_${line}\n`);
const BYTES = Buffer.from(`${ENVIRONMENT.join('')}\n`);
const REPLY = '200 result=0\n';

const first: number[] = [];
let failures = 0;

/** Places a call; `held` ones get an answer to their first two commands and no more. */
function place(held: boolean, onEnd: () => void): Socket {
  const startedAt = performance.now();
  const socket = connect({ host: '127.0.0.1', port: plan.port, noDelay: true });
  let commands = 0;
  socket.on('connect', () => socket.write(BYTES));
  socket.on('data', (chunk) => {
    if (commands++ === 0) {
      if (!held) first.push(performance.now() - startedAt);
      if (chunk[0] === 0x66) failures++;
    }
    if (!held || commands <= 2) socket.write(REPLY);
  });
  socket.on('error', () => {
    failures++;
  });
  socket.on('close', onEnd);
  return socket;
}

function closed(): Promise<void> {
  return new Promise((resolve) => {
    let started = 0;
    let ended = 0;
    const next = (): void => {
      if (started >= plan.calls) return;
      started++;
      place(false, () => {
        ended++;
        if (ended === plan.calls) resolve();
        else next();
      });
    };
    for (let index = 0; index < plan.concurrency; index++) next();
  });
}

async function hold(): Promise<readonly Socket[]> {
  const sockets: Socket[] = [];
  for (let index = 0; index < plan.held; index++) {
    sockets.push(place(true, () => {}));
    if (index % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return sockets;
}

async function open(): Promise<void> {
  const sockets = await hold();
  const interval = 1000 / plan.perSecond;
  const begin = performance.now();
  await new Promise<void>((resolve) => {
    let started = 0;
    let ended = 0;
    const tick = (): void => {
      while (started < plan.calls && performance.now() - begin >= started * interval) {
        started++;
        place(false, () => {
          if (++ended === plan.calls) resolve();
        });
      }
      if (started < plan.calls) setTimeout(tick, 1);
    };
    tick();
  });
  for (const socket of sockets) socket.destroy();
}

const startedAt = performance.now();
if (plan.kind === 'closed') await closed();
else if (plan.kind === 'open') await open();
else {
  const sockets = await hold();
  console.log(JSON.stringify({ held: sockets.length, failures }));
  await new Promise((resolve) => process.stdin.once('data', resolve));
  for (const socket of sockets) socket.destroy();
}
const seconds = (performance.now() - startedAt) / 1000;
if (plan.kind !== 'hold')
  console.log(
    JSON.stringify({
      calls: plan.calls,
      seconds,
      calls_per_second: plan.calls / seconds,
      first_command_ms: percentiles(first),
      failures,
    }),
  );
process.exit(0);
