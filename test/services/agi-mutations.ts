/** Numbers from 0 to 1 that one seed always gives in one order (mulberry32). */
export type Random = () => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

export function pick<T>(random: Random, values: readonly T[]): T {
  const value = values[below(random, values.length)];
  if (value === undefined) throw new RangeError('nothing to pick from');
  return value;
}

/** Pieces that mean something to somebody who reads AGI. */
const DICTIONARY: readonly Buffer[] = [
  ...[
    '\n',
    '\n\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ':',
    ': ',
    '=',
    ' ',
    '?',
    '&',
    '%',
    '%00',
    '%zz',
    '(',
    ')',
    ')\n',
    '"',
    '\\',
  ],
  ...[
    'agi_',
    'agi_network: yes\n',
    'agi_threadid: 1\n',
    'agi_arg_1: ',
    'agi_arg_2: org_id=evil\n',
    'agi_calleridname: ',
  ],
  ...[
    'agi_network_script: ../../etc/passwd\n',
    '__proto__=x',
    'constructor=x',
    'lead.__proto__=x',
    'agi_arg_99999999999999: x\n',
  ],
  ...[
    'HANGUP\n',
    'HANGUP',
    '200 result=',
    '200 result=0\n',
    '200 result=-1\n',
    '200 result=1 (',
    '200 result=1 ()\n',
    ' endpos=',
  ],
  ...[
    '100 result=0 Trying...\n',
    '510 Invalid or unknown command\n',
    '511 ',
    '520-',
    '520 ',
    '520 End of proper usage.\n',
  ],
  ...[
    '200 result=99999999999999999999\n',
    '200 result=-2147483649\n',
    '200 result=\n',
    '200 result=NaN (timeout) endpos=1e9\n',
  ],
]
  .map((text) => Buffer.from(text))
  .concat([
    Buffer.of(0xff, 0xfe),
    Buffer.of(0xc3),
    Buffer.of(0xf0, 0x9f, 0x98),
    Buffer.alloc(300, 'x'),
    Buffer.alloc(300, '\n'),
  ]);

type Mutation = (bytes: Buffer, at: number, random: Random, others: readonly Buffer[]) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  /** Another byte. */
  (bytes, at, random) => spliced(bytes, at, 1, Buffer.of(below(random, 256))),
  /** Bytes are lost. */
  (bytes, at, random) => spliced(bytes, at, 1 + below(random, 40), Buffer.alloc(0)),
  /** Bytes come twice. */
  (bytes, at, random) => spliced(bytes, at, 0, bytes.subarray(at, at + below(random, 80))),
  (bytes, at, random) => spliced(bytes, at, 0, pick(random, DICTIONARY)),
  (bytes, at, random) => spliced(bytes, at, below(random, 8), pick(random, DICTIONARY)),
  /** The rest is missing. */
  (bytes, at) => bytes.subarray(0, at),
  /** The rest is another one's. */
  (bytes, at, random, others) => Buffer.concat([bytes.subarray(0, at), tail(pick(random, others), random)]),
];

/** One to five mutations of these bytes. */
export function mutated(bytes: Buffer, random: Random, others: readonly Buffer[]): Buffer {
  let result = bytes;
  for (let times = 1 + below(random, 5); times > 0; times--)
    result = pick(random, MUTATIONS)(result, below(random, result.length + 1), random, others);
  return result;
}

/** The bytes in one to eight reads, none of them empty. */
export function randomReads(bytes: Buffer, random: Random): readonly Buffer[] {
  const cuts = Array.from({ length: below(random, 8) }, () => below(random, bytes.length + 1)).sort((a, b) => a - b);
  return [...cuts, bytes.length]
    .map((end, index) => bytes.subarray(index === 0 ? 0 : cuts[index - 1], end))
    .filter((read) => read.length > 0);
}

function spliced(bytes: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

function tail(bytes: Buffer, random: Random): Buffer {
  return bytes.subarray(below(random, bytes.length + 1));
}
