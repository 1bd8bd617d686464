import { Transform } from 'node:stream';

/** Passes bytes on, and fails once there are more than these. */
export function cappedBytes(most: number): Transform {
  let count = 0;
  return new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      count += chunk.length;
      if (count > most) done(new Error(`an answer of more than ${most} bytes`));
      else done(null, chunk);
    },
  });
}
