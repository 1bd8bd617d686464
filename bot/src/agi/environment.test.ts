import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Recording, readRecording, readRecordings } from '../../../test/services/agi-recordings.ts';
import { type AgiEnvironment, type EnvironmentProgress, EnvironmentReader } from './environment.ts';

/** What a reader says after the last of these reads. */
function read(...chunks: readonly (Buffer | string)[]): EnvironmentProgress {
  const reader = new EnvironmentReader();
  let progress: EnvironmentProgress = { kind: 'more' };
  for (const chunk of chunks) progress = reader.push(Buffer.from(chunk));
  return progress;
}

function complete(...chunks: readonly (Buffer | string)[]): AgiEnvironment {
  const progress = read(...chunks);
  if (progress.kind !== 'complete') throw new Error(`the environment is ${progress.kind}`);
  return progress.environment;
}

function whole({ environment }: Recording): Buffer {
  return Buffer.concat(environment);
}

const recordings = readRecordings();
const BASE = 'agi_network: yes\nagi_network_script: agi\nagi_channel: SIP/1-2\n';

describe('the environment of a real Asterisk', () => {
  test('there are recordings of both versions', () => {
    expect(recordings).toHaveLength(132);
  });

  test.each(recordings)('$name reads the same wherever it is cut in two', (recording) => {
    const bytes = whole(recording);
    const expected = complete(bytes);
    expect(expected.variables.network).toBe('yes');
    for (let cut = 1; cut < bytes.length; cut++) {
      const environment = complete(bytes.subarray(0, cut), bytes.subarray(cut));
      if (!sameEnvironment(environment, expected)) expect(environment, `cut at ${cut}`).toEqual(expected);
    }
  });

  test.each(recordings)('$name reads the same as it came, and byte by byte', (recording) => {
    const bytes = whole(recording);
    const expected = complete(bytes);
    expect(complete(...recording.environment)).toEqual(expected);
    expect(complete(...[...bytes].map((byte) => Buffer.of(byte)))).toEqual(expected);
  });

  test('any cuts of any recording give the same environment', () => {
    const anyCuts = fc.record({
      recording: fc.constantFrom(...recordings),
      cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 30 }),
    });
    fc.assert(
      fc.property(anyCuts, ({ recording, cuts }) => {
        const bytes = whole(recording);
        const at = cuts.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b);
        const chunks = [...at, bytes.length]
          .map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end))
          .filter((chunk) => chunk.length > 0);
        expect(complete(...chunks)).toEqual(complete(bytes));
      }),
      { numRuns: 500 },
    );
  });

  test.each(['16', '22'])('the contract’s dialplan line on %s', (version) => {
    const { variables, arguments: words } = complete(whole(readRecording(`${version}/agi-1000`)));
    expect(words).toEqual(['campaign_id=123', 'org_id=abc']);
    expect(variables).toMatchObject({
      network_script: 'agi',
      callerid: '3125550100',
      calleridname: 'V1122101500000012345',
      context: 'rig',
      extension: '1000',
    });
  });

  test('a query string stays raw', () => {
    expect(complete(whole(readRecording('16/agi-1001'))).variables.network_script).toBe(
      'agi?campaign_id=123&org_id=abc',
    );
    const { variables, arguments: words } = complete(whole(readRecording('16/agi-1017')));
    expect(variables.network_script).toBe('a b/agi?name=John Smith&pct=%20x&plus=a+b&list=a');
    expect(words).toEqual(['b&utf=é']);
  });

  test('odd arguments', () => {
    expect(complete(whole(readRecording('22/agi-1010'))).arguments).toEqual([
      'say hello, world',
      'back\\slash',
      'esc,comma',
      '',
      "'single'",
      'a=b=c',
      'last',
    ]);
  });

  test('text in UTF-8', () => {
    const { variables, arguments: words } = complete(whole(readRecording('22/agi-1011')));
    expect(variables.calleridname).toBe('Zoë "Ω" 日本 <x>');
    expect(words).toEqual(['naïve=日本', 'emoji=😀']);
  });

  test('an argument of four kilobytes does not hide the one behind it', () => {
    const { arguments: words } = complete(whole(readRecording('16/agi-1012')));
    expect(words[0]).toHaveLength(4100);
    expect(words[1]).toBe('after=1');
  });

  test('thirty arguments in their order', () => {
    expect(complete(whole(readRecording('16/agi-1014'))).arguments).toEqual(
      Array.from({ length: 30 }, (_, index) => String(index + 1)),
    );
  });

  test.each(['noscript-1003', 'noscript-1015'])('%s names no script', (name) => {
    expect(complete(whole(readRecording(`16/${name}`))).variables.network_script).toBeUndefined();
  });
});

describe('an environment that somebody has tampered with', () => {
  test('bytes that are not UTF-8 are read as what they are not, and nothing else breaks', () => {
    const { variables } = complete(
      Buffer.concat([
        Buffer.from(`${BASE}agi_calleridname: `),
        Buffer.of(0xff, 0xfe, 0x0a),
        Buffer.from('agi_extension: 8\nagi_threadid: 1\n\n'),
      ]),
    );
    expect(variables.calleridname).toBe('\ufffd\ufffd');
    expect(variables.extension).toBe('8');
  });

  test('unknown names, names of prototypes and junk are dropped', () => {
    const { variables } = complete(
      `${BASE}agi___proto__: x\nagi_constructor: y\n__proto__: z\njunk\n:\nagi_\nagi_threadid: 1\n\n`,
    );
    const said = Object.entries(variables).filter(([, value]) => value !== undefined);
    expect(said.map(([name]) => name)).toEqual(['network', 'network_script', 'channel']);
    expect(Object.getPrototypeOf(variables)).toBe(Object.prototype);
    expect(variables.constructor).toBe(Object);
  });

  test('lines that a caller’s name brings in do not replace what Asterisk says before and behind it', () => {
    const injected = 'agi_channel: EVIL\nagi_network_script: evil\nagi_context: evil\nagi_extension: evil';
    const { variables } = complete(
      `${BASE}agi_calleridname: Bob\n${injected}\nagi_context: good\nagi_extension: 8000\nagi_threadid: 1\n\n`,
    );
    expect(variables).toMatchObject({
      channel: 'SIP/1-2',
      network_script: 'agi',
      context: 'good',
      extension: '8000',
      calleridname: 'Bob',
    });
  });

  test('arguments that a caller’s name brings in do not count', () => {
    const { arguments: words } = complete(
      `${BASE}agi_calleridname: Bob\nagi_arg_1: org_id=evil\nagi_threadid: 9\nagi_arg_1: org_id=evil\nagi_context: rig\nagi_threadid: 1\nagi_arg_1: org_id=good\n\n`,
    );
    expect(words).toEqual(['org_id=good']);
  });

  test('lines that an argument brings in do not replace arguments or variables', () => {
    const { variables, arguments: words } = complete(
      `${BASE}agi_context: rig\nagi_threadid: 1\nagi_arg_1: a\nagi_context: evil\nagi_arg_1: evil\nagi_arg_7: evil\nagi_arg_2: b\n\n`,
    );
    expect(words).toEqual(['a', 'b']);
    expect(variables.context).toBe('rig');
  });

  test('an empty line in a caller’s name does not end it', () => {
    const start = `${BASE}agi_calleridname: Bob\n\n`;
    expect(read(start).kind).toBe('perhaps');
    const { arguments: words } = complete(start, 'agi_context: rig\nagi_threadid: 1\nagi_arg_1: a=1\n\n');
    expect(words).toEqual(['a=1']);
  });

  test('a forged end is none while more of the environment stands behind it', () => {
    const { arguments: words } = complete(
      `${BASE}agi_calleridname: Bob\nagi_threadid: 9\nagi_arg_1: org_id=evil\n\nagi_dnid: 1\nagi_threadid: 1\nagi_arg_1: org_id=good\n\n`,
    );
    expect(words).toEqual(['org_id=good']);
  });

  const tail = 'agi_context: rig\nagi_threadid: 1\nagi_arg_1: __proto__=x\nagi_arg_2: a=1\n\n';
  test.each<readonly [string, Buffer]>([
    ['lines in a caller’s name', Buffer.from(`${BASE}agi_calleridname: Bob\nagi_channel: EVIL\njunk\n: x\n${tail}`)],
    ['an empty line in a caller’s name', Buffer.from(`${BASE}agi_calleridname: Bob\n\nagi_arg_1: evil=1\n\n${tail}`)],
    ['Windows lines', Buffer.from(`${BASE}${tail}`.replaceAll('\n', '\r\n'))],
    [
      'bytes that are not UTF-8',
      Buffer.concat([
        Buffer.from(`${BASE}agi_calleridname: `),
        Buffer.of(0xc3, 0x28, 0xf0, 0x9f, 0x0a),
        Buffer.from(tail),
      ]),
    ],
  ])('reads the same wherever it is cut: %s', (_name, bytes) => {
    const expected = complete(bytes);
    expect(expected.arguments).toEqual(['__proto__=x', 'a=1']);
    expect(expected.variables.channel).toBe('SIP/1-2');
    expect(expected.variables.context).toBe('rig');
    for (let cut = 1; cut < bytes.length; cut++)
      expect(complete(bytes.subarray(0, cut), bytes.subarray(cut)), `cut at ${cut}`).toEqual(expected);
    expect(complete(...[...bytes].map((byte) => Buffer.of(byte)))).toEqual(expected);
  });

  test('what stands behind the end is handed on', () => {
    const progress = read(`${BASE}agi_threadid: 1\n\nHANGUP\n`);
    expect(progress).toMatchObject({ kind: 'complete' });
    expect(progress.kind === 'complete' && progress.rest.toString()).toBe('HANGUP\n');
  });

  test('lines that end as on Windows are understood', () => {
    expect(complete('agi_network: yes\r\nagi_threadid: 1\r\nagi_arg_1: a=1\r\n\r\n').arguments).toEqual(['a=1']);
  });

  test('a client that sends no thread id is understood once nothing follows its empty line', () => {
    const progress = read(`${BASE}agi_arg_1: a=1\nagi_arg_2: b=2\n\n`);
    expect(progress.kind === 'perhaps' && progress.environment.arguments).toEqual(['a=1', 'b=2']);
  });
});

describe('an environment that does not end', () => {
  test('a line of more than 8 kB is refused as it comes', () => {
    const reader = new EnvironmentReader();
    const kilobyte = Buffer.alloc(1024, 'a');
    for (let sent = 0; sent < 8; sent++) expect(reader.push(kilobyte).kind).toBe('more');
    expect(reader.push(kilobyte)).toMatchObject({ kind: 'refused', reason: expect.stringContaining('line') });
  });

  test('ten megabytes without a line feed are refused in one read, and after 8 kB of many', () => {
    expect(read(Buffer.alloc(10_000_000, 'x')).kind).toBe('refused');
    const reader = new EnvironmentReader();
    let taken = 0;
    while (reader.push(Buffer.alloc(1000, 'x')).kind === 'more') taken += 1000;
    expect(taken).toBe(8000);
  });

  test('more than 64 kB is refused, in one read or in many', () => {
    const line = `junk ${'x'.repeat(995)}\n`;
    expect(read(line.repeat(70)).kind).toBe('refused');
    expect(read(...Array.from({ length: 70 }, () => line)).kind).toBe('refused');
  });

  test('more than 400 lines are refused', () => {
    expect(read('a\n'.repeat(400)).kind).toBe('more');
    expect(read('a\n'.repeat(401)).kind).toBe('refused');
  });
});

/** Quicker than the comparison of a test library, which a hundred thousand cuts would wait for. */
function sameEnvironment(left: AgiEnvironment, right: AgiEnvironment): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
