import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orderlyTurns, readRecording, readRecordings } from '../../../test/services/agi-recordings.ts';
import { type Reply, type ReplyEvent, ReplyReader } from './reply.ts';

type Heard = Reply | 'hangup' | 'overflow';

function heard(events: readonly ReplyEvent[]): readonly Heard[] {
  return events.map((event) => (event.kind === 'reply' ? event.reply : event.kind));
}

/** What a reader makes of these reads, for a command that asks for a variable or not. */
function read(expectsValue: boolean, ...chunks: readonly (string | Buffer)[]): readonly Heard[] {
  const reader = new ReplyReader();
  reader.begin(expectsValue);
  return chunks.flatMap((chunk) => heard(reader.read(Buffer.from(chunk))));
}

const asksForValue = (command: string): boolean => /^GET (FULL )?VARIABLE|^DATABASE GET/.test(command);
const recordings = readRecordings();
const orderly = recordings.flatMap((recording) => {
  const turns = orderlyTurns(recording);
  return turns ? [{ name: recording.name, turns }] : [];
});
/** Sessions whose connection ended before their last commands were answered. */
const UNANSWERED: ReadonlySet<string> = new Set([
  'callerhup_idle--var_P_EXIT_yes',
  'callerhup_stream--var_P_EXIT_yes',
  'media',
]);

/** Sessions whose server took HANGUP for an answer, so that its commands run one ahead of the answers. */
const IS_AHEAD: ReadonlySet<string> = new Set(['callerhup_stream']);

describe('answers of a real Asterisk', () => {
  test('most sessions are orderly', () => {
    expect(orderly.length).toBeGreaterThan(100);
  });

  test.each(orderly)('$name answers every command once', ({ name, turns }) => {
    const reader = new ReplyReader();
    const counts = turns.map(({ command, answer }) => {
      reader.begin(asksForValue(command));
      return answer.flatMap((bytes) => heard(reader.read(bytes))).filter((event) => typeof event === 'object').length;
    });
    const answered = counts.reduce((sum, count) => sum + count, 0);
    if (UNANSWERED.has(name.slice(3))) expect(answered).toBeLessThan(turns.length);
    else expect(answered).toBe(turns.length);
    if (!IS_AHEAD.has(name.slice(3))) expect(Math.max(0, ...counts)).toBeLessThanOrEqual(1);
  });

  test.each(orderly)('$name reads the same wherever it is cut', ({ turns }) => {
    for (const { command, answer } of turns) {
      const bytes = Buffer.concat(answer);
      const expected = read(asksForValue(command), ...answer);
      for (let cut = 1; cut < bytes.length; cut++) {
        const cutInTwo = read(asksForValue(command), bytes.subarray(0, cut), bytes.subarray(cut));
        if (JSON.stringify(cutInTwo) !== JSON.stringify(expected))
          expect(cutInTwo, `${command} at ${cut}`).toEqual(expected);
      }
    }
  });

  test('every command once, as it answered', () => {
    const answers = new Map<string, readonly Heard[]>();
    for (const { command, answer } of orderlyTurns(readRecording('16/basic')) ?? [])
      answers.set(command, read(asksForValue(command), ...answer));
    const of = (command: string): Heard | undefined => answers.get(command)?.[0];
    expect(of('CHANNEL STATUS')).toEqual({ code: 200, result: '6' });
    expect(of('CHANNEL STATUS no-such-chan')).toEqual({ code: 200, result: '-1' });
    expect(of('GET VARIABLE FOO')).toEqual({ code: 200, result: '1', value: 'viaexec' });
    expect(of('GET VARIABLE NOPE')).toEqual({ code: 200, result: '0' });
    expect(of('GET VARIABLE EMPTY')).toEqual({ code: 200, result: '1', value: '' });
    expect(of('GET VARIABLE SP')).toEqual({ code: 200, result: '1', value: 'a b "q" (x) end' });
    expect(of('GET VARIABLE UTF')).toEqual({ code: 200, result: '1', value: '日本 é' });
    expect(of('EXEC NoSuchApp x')).toEqual({ code: 200, result: '-2' });
    expect(of('RECEIVE CHAR 200')).toEqual({ code: 200, result: '-1', value: 'hangup' });
    expect(of('GOSUB nosuch s 1')).toEqual({ code: 200, result: '-1' });
    expect(of('GOSUB caller ret 1')).toEqual({ code: 200, result: '0' });
    expect(of('BOGUS')).toEqual({ code: 510, result: '' });
    expect(of('STREAM FILE')).toEqual({ code: 520, result: '' });
  });

  test('sounds, keys and recordings', () => {
    const all = ['dtmf', 'dtmfterm', 'media', 'audio'].flatMap((name) =>
      (orderlyTurns(readRecording(`22/${name}`)) ?? []).map(
        ({ command, answer }) => [command, read(false, ...answer)[0]] as const,
      ),
    );
    const answers = new Map(all);
    expect(answers.get('STREAM FILE tt-monkeys "0123456789"')).toMatchObject({
      result: '54',
      endpos: expect.any(Number),
    });
    expect(answers.get('STREAM FILE nosuchfile ""')).toEqual({ code: 200, result: '-1', endpos: 0 });
    expect(answers.get('GET DATA beep 1500 5')).toEqual({ code: 200, result: '', value: 'timeout' });
    expect(answers.get('RECORD FILE /tmp/recd wav "#*" 6000')).toMatchObject({
      result: '42',
      value: 'dtmf',
      endpos: 0,
    });
    expect(answers.get('RECORD FILE /nodir/x wav "#" 500')).toEqual({ code: 200, result: '-1', value: 'writefile' });
    expect(answers.get('RECORD FILE /tmp/recaudio wav "#" 3000 0 BEEP')).toMatchObject({
      result: '0',
      value: 'timeout',
    });
  });

  test('five commands in one write: their answers are told apart all the same', () => {
    const bytes = readRecording('22/pipeline').dialogue.filter(({ from }) => from === 'asterisk');
    const events = read(false, ...bytes.map((event) => event.bytes));
    expect(events.map((event) => typeof event === 'object' && event.result)).toEqual(['0', '0', '0', '1', '1', '0']);
  });

  test.each(recordings)('$name byte by byte brings neither an error nor an overflow', ({ dialogue }) => {
    const bytes = Buffer.concat(dialogue.filter(({ from }) => from === 'asterisk').map((event) => event.bytes));
    const events = read(false, ...[...bytes].map((byte) => Buffer.of(byte)));
    expect(events).not.toContain('overflow');
  });
});

describe('HANGUP', () => {
  test.each([
    ['HANGUP\n200 result=0\n', ['hangup', { code: 200, result: '0' }]],
    ['200 result=-1\nHANGUP\n', [{ code: 200, result: '-1' }, 'hangup']],
    ['200 result=-1 endpos=12000\nHANGUP\nHANGUP\n', [{ code: 200, result: '-1', endpos: 12000 }, 'hangup', 'hangup']],
    ['100 result=0 Trying...\nHANGUP\n200 result=0 Gosub complete\n', ['hangup', { code: 200, result: '0' }]],
    ['520-Invalid command syntax.\nHANGUP\n520 End of proper usage.\n', ['hangup', { code: 520, result: '' }]],
  ])('in %j', (text, expected) => {
    expect(read(false, text)).toEqual(expected);
  });

  test.each([
    ['HANGUP\n200 result=1 (ANSWER)\n', ['hangup', { code: 200, result: '1', value: 'ANSWER' }]],
    ['200 result=1 (x)\nHANGUP\nHANGUP\n', [{ code: 200, result: '1', value: 'x' }, 'hangup', 'hangup']],
  ])('around a value in %j', (text, expected) => {
    expect(read(true, text)).toEqual(expected);
    for (let cut = 1; cut < text.length; cut++)
      expect(read(true, text.slice(0, cut), text.slice(cut))).toEqual(expected);
  });

  test('inside a value is a part of the value', () => {
    expect(read(true, '200 result=1 (a\nHANGUP\nb)\n')).toEqual([{ code: 200, result: '1', value: 'a\nHANGUP\nb' }]);
  });
});

describe('a value', () => {
  test.each([
    '',
    ')',
    '(',
    'a)b',
    ')\n',
    '200 result=0',
    'x)\n200 result=0',
    '520-x',
    '\n\n',
    'HANGUP',
    'a) endpos=5',
    '日本',
  ])('of %j comes as it is', (value) => {
    expect(read(true, `200 result=1 (${value})\n`)).toEqual([{ code: 200, result: '1', value }]);
  });

  test('that is cut in the middle of a character is whole again', () => {
    const bytes = Buffer.from('200 result=1 (日本)\n');
    for (let cut = 1; cut < bytes.length; cut++)
      expect(read(true, bytes.subarray(0, cut), bytes.subarray(cut))).toEqual([
        { code: 200, result: '1', value: '日本' },
      ]);
  });
});

describe('any answer', () => {
  /** Its lines, or a value in one piece since a HANGUP in it would be a part of it; and what it says. */
  type Told = readonly [lines: readonly string[], expectsValue: boolean, reply: Reply];
  const told: fc.Arbitrary<Told> = fc.oneof(
    fc.constantFrom<Told>(
      [['200 result=0'], false, { code: 200, result: '0' }],
      [['200 result='], false, { code: 200, result: '' }],
      [['200 result= (timeout)'], false, { code: 200, result: '', value: 'timeout' }],
      [['200 result=-1 (hangup) endpos=77'], false, { code: 200, result: '-1', value: 'hangup', endpos: 77 }],
      [['200 result=345 (timeout)'], false, { code: 200, result: '345', value: 'timeout' }],
      [['200 result=0'], true, { code: 200, result: '0' }],
      [['100 result=0 Trying...', '200 result=0 Gosub complete'], false, { code: 200, result: '0' }],
      [['510 Invalid or unknown command'], false, { code: 510, result: '' }],
      [['510 Invalid or unknown command'], true, { code: 510, result: '' }],
      [['511 Command Not Permitted on a dead channel or intercept routine'], true, { code: 511, result: '' }],
      [['520-Invalid', '', ' Usage: X (y)', '200 result=1', '520 End'], false, { code: 520, result: '' }],
      [['520-Invalid', '200 result=1 (x)', '520 End'], true, { code: 520, result: '' }],
    ),
    fc
      .array(fc.constantFrom('a', ' ', '(', ')', '\n', 'HANGUP', '200 result=0', '520-', '日', '"', '\r'))
      .map((parts) => parts.join(''))
      .filter((value) => !value.includes(')\n'))
      .map((value): Told => [[`200 result=1 (${value})`], true, { code: 200, result: '1', value }]),
  );
  const share = fc.double({ min: 0, max: 1, noNaN: true });
  const turn = fc.record({ told, hangups: fc.array(share, { maxLength: 3 }), cuts: fc.array(share, { maxLength: 8 }) });

  test('belongs to its command, with HANGUP between any lines, cut anywhere', () => {
    fc.assert(
      fc.property(fc.array(turn, { minLength: 1, maxLength: 6 }), (turns) => {
        const reader = new ReplyReader();
        for (const { told: answer, hangups, cuts } of turns) {
          const lines = [...answer[0]];
          for (const at of hangups) lines.splice(Math.round(at * lines.length), 0, 'HANGUP');
          const bytes = Buffer.from(`${lines.join('\n')}\n`);
          const ends = cuts.map((at) => Math.round(at * bytes.length)).sort((a, b) => a - b);
          reader.begin(answer[1]);
          const events = [...ends, bytes.length].flatMap((end, index) =>
            heard(reader.read(bytes.subarray(index === 0 ? 0 : ends[index - 1], end))),
          );
          expect(events.filter((event) => event !== 'hangup')).toEqual([answer[2]]);
          expect(events.filter((event) => event === 'hangup')).toHaveLength(hangups.length);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe('what is no answer', () => {
  test.each([
    '\n',
    'agi_arg_9: x\n',
    'junk\n',
    'HANGUPS\n',
    '20 result=0\n',
    '100 result=0 Trying...\n',
    'x200 result=0\n',
  ])('%j says nothing', (text) => {
    expect(read(false, text, '200 result=0\n')).toEqual([{ code: 200, result: '0' }]);
  });

  test.each(['520-x\n', '520-x\nmore\n', '200 result=1 (x\n'])(
    '%j that nobody asked for does not swallow the next answer',
    (text) => {
      const reader = new ReplyReader();
      reader.begin(true);
      expect(heard(reader.read(Buffer.from('200 result=0\n')))).toHaveLength(1);
      reader.read(Buffer.from(text));
      reader.begin(false);
      expect(heard(reader.read(Buffer.from('200 result=0\n')))).toEqual([{ code: 200, result: '0' }]);
    },
  );

  test('HANGUP behind a value that nobody asked for is heard', () => {
    const reader = new ReplyReader();
    reader.begin(true);
    reader.read(Buffer.from('200 result=1 (x)\n'));
    expect(heard(reader.read(Buffer.from('200 result=1 (y\nHANGUP\n')))).toContain('hangup');
  });

  test('a line without an end is given up after 64 kB', () => {
    const reader = new ReplyReader();
    const chunk = Buffer.alloc(16 * 1024, 'x');
    expect([1, 2, 3, 4, 5].map(() => heard(reader.read(chunk)))).toEqual([[], [], [], [], ['overflow']]);
  });

  test.each(['junk\n', '520-x\n', '200 result=1 (\n'])('so is %j without an end', (line) => {
    const lines = Buffer.from(line.repeat(Math.ceil(17_000 / line.length)));
    expect(read(true, lines, lines, lines, lines)).toContain('overflow');
  });

  test('a long session is no flood', () => {
    const reader = new ReplyReader();
    for (let command = 0; command < 20_000; command++) {
      reader.begin(false);
      expect(heard(reader.read(Buffer.from('200 result=0\n')))).toEqual([{ code: 200, result: '0' }]);
    }
  });
});
