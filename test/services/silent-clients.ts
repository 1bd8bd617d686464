// Opens many connections that say nothing, and tells when they are open and when all have been closed: `silent-clients.ts PORT COUNT`.
import { connect } from 'node:net';

const [port = 0, count = 0] = process.argv.slice(2).map(Number);
/** At a time, so that the other side's queue is not what is tried. */
const BATCH = 500;
let open = 0;
let closed = 0;

function one(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      open++;
      resolve();
    });
    socket.once('error', reject);
    socket.once('close', () => {
      if (++closed === count) console.log(`closed ${closed}`);
    });
    socket.resume();
  });
}

for (let started = 0; started < count; started += BATCH)
  await Promise.all(Array.from({ length: Math.min(BATCH, count - started) }, one));
console.log(`open ${open}`);
