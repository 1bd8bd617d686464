import { once } from 'node:events';
import type { Effect, EffectResult } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Loopback, playAsterisk, startLoopback } from '../../../../test/services/agi-peer.ts';
import { AgiChannel } from '../channel.ts';
import { AgiConnection } from '../connection.ts';

const DEAD = '511 Command Not Permitted on a dead channel or intercept routine';
const STATUS_UP: readonly [string, string] = ['CHANNEL STATUS', '200 result=6'];
const GONE: EffectResult = { kind: 'failed', reason: 'the caller is gone' };
/** The connection is lost, or no answer came in time. */
const LOST = '';

let loopback: Loopback;

beforeAll(async () => {
  loopback = await startLoopback();
});
afterAll(() => loopback.close());

/** Carries an effect out over a real socket, against an Asterisk that expects exactly these commands and answers with these lines. */
async function carriedOut(effect: Effect, ...turns: readonly (readonly [string, string])[]): Promise<EffectResult> {
  const { accepted, asterisk } = await loopback.pair();
  const connection = new AgiConnection(accepted, performance.now());
  accepted.on('data', (chunk) => connection.receive(chunk));
  accepted.on('error', () => connection.destroy());
  accepted.on('close', () => connection.closed());
  const closed = once(asterisk, 'close');
  const lines = playAsterisk(asterisk, (_line, index) => {
    const answer = turns[index]?.[1] ?? LOST;
    return answer === LOST ? 'end' : [`${answer}\n`];
  });
  const result = await new AgiChannel(connection).perform(effect);
  connection.end();
  await closed;
  expect(lines).toEqual(turns.map(([line]) => line));
  return result;
}

/** Every way in which a command that makes a sound or waits can go wrong, after which nothing more is said. */
const ENDINGS: readonly (readonly [string, readonly (readonly [string, string])[], EffectResult | RegExp])[] = [
  [
    'the caller hangs up',
    [
      ['', '200 result=-1'],
      ['CHANNEL STATUS', `HANGUP\n${DEAD}`],
    ],
    GONE,
  ],
  [
    'the caller hangs up with AGISIGHUP=no',
    [
      ['', '200 result=-1'],
      ['CHANNEL STATUS', DEAD],
    ],
    GONE,
  ],
  ['HANGUP comes with the answer', [['', '200 result=-1\nHANGUP']], GONE],
  ['the channel is dead', [['', DEAD]], GONE],
  ['the connection is lost', [['', LOST]], GONE],
  ['Asterisk does not know the command', [['', '510 Invalid or unknown command']], /\(510\)$/],
  [
    'Asterisk does not like the words',
    [['', '520-Invalid command syntax.  Proper usage follows:\nx\n520 End of proper usage.']],
    /\(520\)$/,
  ],
  ['it fails on a channel that is up', [['', '200 result=-1'], STATUS_UP], /./],
];

const SIMPLE: readonly (readonly [string, Effect, string])[] = [
  ['answer', { kind: 'answer' }, 'ANSWER'],
  ['play', { kind: 'play', prompt: { sound: 'custom/hello' }, interrupt_digits: '1' }, 'STREAM FILE custom/hello "1"'],
  ['play digits', { kind: 'play', prompt: { digits: '12' }, interrupt_digits: '' }, 'SAY DIGITS 12 ""'],
  ['say', { kind: 'say', as: 'number', value: '7', interrupt_digits: '#' }, 'SAY NUMBER 7 "#"'],
  [
    'gather',
    {
      kind: 'gather',
      prompts: [],
      min_digits: 1,
      max_digits: 1,
      terminator: '#',
      timeout_ms: 5000,
      inter_digit_timeout_ms: 2000,
      speech: false,
    },
    'WAIT FOR DIGIT 5000',
  ],
  [
    'record',
    {
      kind: 'record',
      name: 'rec/1',
      format: 'wav',
      max_seconds: 60,
      silence_seconds: 0,
      beep: false,
      stop_digits: '',
    },
    'RECORD FILE rec/1 wav "" 60000 0',
  ],
  ['wait', { kind: 'wait', ms: 1500 }, 'EXEC Wait "1.5"'],
  ['channel', { kind: 'channel', variables: [{ name: 'A', value: 'x y' }] }, 'SET VARIABLE A "x y"'],
  ['exec', { kind: 'exec', application: 'Playback', arguments: ['a', 'b,c'] }, 'EXEC Playback "a,b\\\\,c"'],
  [
    'transfer',
    { kind: 'transfer', target: { kind: 'dialplan', context: 'default', extension: '8300', priority: 1 } },
    'SET CONTEXT default',
  ],
];

describe.each(SIMPLE)('%s', (_name, effect, line) => {
  test.each(ENDINGS)('ends when %s', async (_ending, turns, expected) => {
    const said = turns.map(([command, answer]) => [command || line, answer] as const);
    const result = await carriedOut(effect, ...said);
    expect(result.kind).toBe('failed');
    if (expected instanceof RegExp) expect(result).toMatchObject({ reason: expect.stringMatching(expected) });
    else expect(result).toEqual(expected);
  });
});

describe('answer', () => {
  test('answers', async () => {
    expect(await carriedOut({ kind: 'answer' }, ['ANSWER', '200 result=0'])).toEqual({ kind: 'done' });
  });
});

describe('play', () => {
  const hello: Effect = { kind: 'play', prompt: { sound: 'hello' }, interrupt_digits: '12' };

  test.each([
    ['200 result=0 endpos=3404', { kind: 'played' }],
    ['200 result=50 endpos=3200', { kind: 'played', digit: '2' }],
    ['200 result=0', { kind: 'played' }],
  ] as const)('%s', async (answer, result) => {
    expect(await carriedOut(hello, ['STREAM FILE hello "12"', answer])).toEqual(result);
  });

  test('a sound that is not there fails, and the call is still up', async () => {
    const turns = [['STREAM FILE hello "12"', '200 result=-1 endpos=0'], STATUS_UP] as const;
    expect(await carriedOut(hello, ...turns)).toEqual({ kind: 'failed', reason: 'the sound hello cannot be played' });
  });

  test('a hangup while it is told with an answer to something else is no missing sound', async () => {
    const turns = [
      ['STREAM FILE hello "12"', '200 result=-1 endpos=12000'],
      ['CHANNEL STATUS', 'HANGUP\n200 result=6'],
    ] as const;
    expect(await carriedOut(hello, ...turns)).toEqual(GONE);
  });

  test('an address goes to Asterisk as it is', async () => {
    const sound = 'http://sounds.example.com/hello.wav?v=1';
    const effect: Effect = { kind: 'play', prompt: { sound }, interrupt_digits: '' };
    expect(await carriedOut(effect, [`STREAM FILE ${sound} ""`, '200 result=0 endpos=1'])).toEqual({ kind: 'played' });
  });

  test('nothing is asked of Asterisk for what it cannot play', async () => {
    for (const prompt of [{ text: 'hello' }, { sound: ' ' }, { digits: 'abc' }, { digits: '' }])
      expect(await carriedOut({ kind: 'play', prompt, interrupt_digits: '' })).toMatchObject({ kind: 'failed' });
  });
});

describe('say', () => {
  const effect = (as: Extract<Effect, { kind: 'say' }>['as'], value: string, timezone?: string): Effect => ({
    kind: 'say',
    as,
    value,
    interrupt_digits: '#',
    ...(timezone !== undefined && { timezone }),
  });

  test.each([
    ['digits', '0123', 'SAY DIGITS 0123 "#"'],
    ['digits', '+1 (312) 555-0100', 'SAY DIGITS 13125550100 "#"'],
    ['digits', '*72#', 'SAY ALPHA *72# "#"'],
    ['number', '-42', 'SAY NUMBER -42 "#"'],
    ['number', '12.0', 'SAY NUMBER 12 "#"'],
    ['letters', 'a b', 'SAY ALPHA "a b" "#"'],
    ['phonetic', 'xy', 'SAY PHONETIC xy "#"'],
    ['date', '1700000000', 'SAY DATE 1700000000 "#"'],
    ['time', '1700000000.9', 'SAY TIME 1700000000 "#"'],
    ['datetime', '1700000000', 'SAY DATETIME 1700000000 "#"'],
  ] as const)('%s %s', async (as, value, line) => {
    expect(await carriedOut(effect(as, value), [line, '200 result=0'])).toEqual({ kind: 'played' });
    expect(await carriedOut(effect(as, value), [line, '200 result=35'])).toEqual({ kind: 'played', digit: '#' });
  });

  test.each([
    ['date', '"ABdY"'],
    ['time', '"IMp"'],
    ['datetime', `"ABdY 'digits/at' IMp"`],
  ] as const)('%s in a time zone', async (as, format) => {
    const line = `SAY DATETIME 1700000000 "#" ${format} "Europe/Berlin"`;
    expect(await carriedOut(effect(as, '1700000000', 'Europe/Berlin'), [line, '200 result=0'])).toEqual({
      kind: 'played',
    });
  });

  test.each([
    ['digits', 'abc'],
    ['digits', ''],
    ['number', 'x'],
    ['number', ''],
    ['number', '1.5'],
    ['number', '1e400'],
    ['number', '1000000000'],
    ['date', 'tomorrow'],
    ['time', ''],
    ['datetime', 'NaN'],
  ] as const)('%s "%s" fails without asking Asterisk', async (as, value) => {
    expect(await carriedOut(effect(as, value))).toMatchObject({ kind: 'failed' });
  });

  test('no letters are said at once', async () => {
    expect(await carriedOut(effect('letters', ' '))).toEqual({ kind: 'played' });
    expect(await carriedOut(effect('phonetic', ''))).toEqual({ kind: 'played' });
  });
});

describe('gather', () => {
  const asked: Extract<Effect, { kind: 'gather' }> = {
    kind: 'gather',
    prompts: [],
    min_digits: 1,
    max_digits: 3,
    terminator: '#',
    timeout_ms: 5000,
    inter_digit_timeout_ms: 2000,
    speech: false,
  };
  const FIRST = 'WAIT FOR DIGIT 5000';
  const LATER = 'WAIT FOR DIGIT 2000';
  const menu = 'STREAM FILE menu "0123456789*#"';
  const more = 'STREAM FILE more "0123456789*#"';
  const prompts = [{ sound: 'menu' }, { sound: 'more' }];

  test('takes as many keys as it may', async () => {
    const turns = [
      [FIRST, '200 result=49'],
      [LATER, '200 result=50'],
      [LATER, '200 result=42'],
    ] as const;
    expect(await carriedOut(asked, ...turns)).toEqual({ kind: 'gathered', digits: '12*', ended_by: 'max_digits' });
  });

  test('ends at the terminator, which is no input', async () => {
    const turns = [
      [FIRST, '200 result=49'],
      [LATER, '200 result=35'],
    ] as const;
    expect(await carriedOut(asked, ...turns)).toEqual({ kind: 'gathered', digits: '1', ended_by: 'terminator' });
    expect(await carriedOut(asked, [FIRST, '200 result=35'])).toEqual({
      kind: 'gathered',
      digits: '',
      ended_by: 'terminator',
    });
  });

  test('ends when no key comes, with what was keyed until then', async () => {
    expect(await carriedOut(asked, [FIRST, '200 result=0'])).toEqual({
      kind: 'gathered',
      digits: '',
      ended_by: 'timeout',
    });
    const turns = [
      [FIRST, '200 result=49'],
      [LATER, '200 result=0'],
    ] as const;
    expect(await carriedOut(asked, ...turns)).toEqual({ kind: 'gathered', digits: '1', ended_by: 'timeout' });
  });

  test('a key ends the prompts and counts', async () => {
    const turns = [
      [menu, '200 result=49 endpos=5'],
      [LATER, '200 result=35'],
    ] as const;
    expect(await carriedOut({ ...asked, prompts }, ...turns)).toEqual({
      kind: 'gathered',
      digits: '1',
      ended_by: 'terminator',
    });
    expect(await carriedOut({ ...asked, prompts, max_digits: 1 }, [menu, '200 result=57 endpos=5'])).toEqual({
      kind: 'gathered',
      digits: '9',
      ended_by: 'max_digits',
    });
  });

  test('all prompts are played before the first key is waited for', async () => {
    const turns = [
      [menu, '200 result=0 endpos=5'],
      [more, '200 result=0 endpos=5'],
      [FIRST, '200 result=0'],
    ] as const;
    expect(await carriedOut({ ...asked, prompts }, ...turns)).toMatchObject({ ended_by: 'timeout' });
  });

  test('a prompt that cannot be played fails', async () => {
    const turns = [[menu, '200 result=-1 endpos=0'], STATUS_UP] as const;
    expect(await carriedOut({ ...asked, prompts }, ...turns)).toMatchObject({ kind: 'failed' });
  });

  test('without a terminator every key counts', async () => {
    const turns = [
      [FIRST, '200 result=35'],
      [LATER, '200 result=0'],
    ] as const;
    expect(await carriedOut({ ...asked, terminator: '' }, ...turns)).toMatchObject({ digits: '#' });
  });

  test('a hangup between keys loses nothing that was not asked for', async () => {
    const turns = [
      [FIRST, '200 result=49'],
      [LATER, '200 result=-1'],
      ['CHANNEL STATUS', `HANGUP\n${DEAD}`],
    ] as const;
    expect(await carriedOut(asked, ...turns)).toEqual(GONE);
  });
});

describe('record', () => {
  const effect: Extract<Effect, { kind: 'record' }> = {
    kind: 'record',
    name: 'rec/1',
    format: 'wav',
    max_seconds: 60,
    silence_seconds: 3,
    beep: true,
    stop_digits: '#',
  };
  const LINE = 'RECORD FILE rec/1 wav "#" 60000 0 BEEP s=3';

  test.each([
    ['200 result=0 (timeout) endpos=24000', { duration_ms: 3000, ended_by: 'silence' }],
    ['200 result=0 (timeout) endpos=480000', { duration_ms: 60_000, ended_by: 'max' }],
    ['200 result=0 (timeout) endpos=0', { duration_ms: 0, ended_by: 'silence' }],
    ['200 result=35 (dtmf) endpos=16000', { duration_ms: 2000, ended_by: 'digit', digit: '#' }],
  ])('%s', async (answer, result) => {
    expect(await carriedOut(effect, [LINE, answer])).toEqual({ kind: 'recorded', file: 'rec/1', ...result });
  });

  test('what was recorded before a hangup is kept', async () => {
    const turns = [
      [LINE, '200 result=-1 (hangup) endpos=8000'],
      ['CHANNEL STATUS', `HANGUP\n${DEAD}`],
    ] as const;
    expect(await carriedOut(effect, ...turns)).toEqual({
      kind: 'recorded',
      file: 'rec/1',
      duration_ms: 1000,
      ended_by: 'hangup',
    });
  });

  test('without a limit of silence only the time ends it', async () => {
    const turn = ['RECORD FILE rec/1 wav "#" 60000 0 BEEP', '200 result=0 (timeout) endpos=8'] as const;
    expect(await carriedOut({ ...effect, silence_seconds: 0 }, turn)).toMatchObject({ ended_by: 'max' });
  });

  test.each(['200 result=-1 (writefile)', '200 result=-1 (randomerror) endpos=0'])('%s fails', async (answer) => {
    expect(await carriedOut(effect, [LINE, answer], STATUS_UP)).toMatchObject({ kind: 'failed' });
  });

  test('a channel that is dead fails', async () => {
    expect(await carriedOut(effect, [LINE, DEAD])).toEqual(GONE);
  });

  test.each([
    ['sln16', 1000],
    ['wav16', 1000],
    ['g722', 1000],
    ['ulaw', 2000],
  ])('a second of %s has its own number of samples', async (format, duration_ms) => {
    const turn = [`RECORD FILE rec/1 ${format} "#" 60000 0 BEEP s=3`, '200 result=0 (timeout) endpos=16000'] as const;
    expect(await carriedOut({ ...effect, format }, turn)).toMatchObject({ duration_ms });
  });

  test('a name does not lead out of the folder', async () => {
    expect(await carriedOut({ ...effect, name: 'a/../../etc/x' })).toMatchObject({ kind: 'failed' });
  });
});

describe('channel', () => {
  test('writes in order, and stops at the first that fails', async () => {
    const variables = [
      { name: 'A', value: '1' },
      { name: 'B', value: 'a"b\\c\nd' },
    ];
    const effect: Effect = { kind: 'channel', variables };
    const a = ['SET VARIABLE A "1"', '200 result=1'] as const;
    expect(await carriedOut(effect, a, ['SET VARIABLE B "a\\"b\\\\cd"', '200 result=1'])).toEqual({ kind: 'done' });
    expect(await carriedOut(effect, ['SET VARIABLE A "1"', DEAD])).toEqual(GONE);
  });

  test('works on a dead channel', async () => {
    const effect: Effect = { kind: 'channel', variables: [{ name: 'A', value: '1' }] };
    expect(await carriedOut(effect, ['SET VARIABLE A "1"', 'HANGUP\n200 result=1'])).toEqual({ kind: 'done' });
  });
});

describe('exec', () => {
  const effect = (...words: readonly string[]): Effect => ({
    kind: 'exec',
    application: 'UserEvent',
    arguments: words,
  });
  const literal = ['$', '{EVIL}'].join('');

  test.each(['0', '1', '5'])('result %s is done', async (result) => {
    expect(await carriedOut(effect('A'), ['EXEC UserEvent "A"', `200 result=${result}`])).toEqual({ kind: 'done' });
  });

  test('an application that is not there is unavailable', async () => {
    expect(await carriedOut(effect('A'), ['EXEC UserEvent "A"', '200 result=-2'])).toEqual({ kind: 'unavailable' });
  });

  test('what a value brought in is not evaluated, not even where the dialplan asks for it', async () => {
    const asks = 'GET VARIABLE AGIEXECFULL';
    const line = `EXEC UserEvent "${literal}"`;
    expect(await carriedOut(effect(literal), [asks, '200 result=0'], [line, '200 result=0'])).toEqual({ kind: 'done' });
    expect(await carriedOut(effect(literal), [asks, '200 result=1 (yes)'])).toMatchObject({ kind: 'failed' });
    expect(await carriedOut(effect('$[1+1]'), [asks, '200 result=1 (yes)'])).toMatchObject({ kind: 'failed' });
  });
});

describe('amd', () => {
  const effect: Effect = { kind: 'amd', settings: [2000, null, 800, null] };
  const status = (answer: string): readonly [string, string] => ['GET VARIABLE AMDSTATUS', answer];
  const cause = (answer: string): readonly [string, string] => ['GET VARIABLE AMDCAUSE', answer];
  const run = (answer: string): readonly [string, string] => ['EXEC AMD "2000,,800"', answer];
  const unset = status('200 result=0');

  test.each([
    ['HUMAN', 'human'],
    ['MACHINE', 'machine'],
    ['NOTSURE', 'unsure'],
  ])('%s that the dialplan has found out is believed', async (found, result) => {
    const turns = [status(`200 result=1 (${found})`), cause('200 result=1 (MAXWORDS-3-2)')] as const;
    expect(await carriedOut(effect, ...turns)).toEqual({ kind: 'detected', result, cause: 'MAXWORDS-3-2' });
  });

  test('is run where nobody has', async () => {
    const turns = [unset, run('200 result=0'), status('200 result=1 (HUMAN)'), cause('200 result=0')] as const;
    expect(await carriedOut(effect, ...turns)).toEqual({ kind: 'detected', result: 'human' });
  });

  test('an earlier HANGUP is no answer', async () => {
    const turns = [
      status('200 result=1 (HANGUP)'),
      run('200 result=0'),
      status('200 result=1 (MACHINE)'),
      cause('200 result=1 ()'),
    ] as const;
    expect(await carriedOut(effect, ...turns)).toEqual({ kind: 'detected', result: 'machine' });
  });

  test('an answer that says nothing is unsure', async () => {
    expect(await carriedOut(effect, unset, run('200 result=0'), unset)).toEqual({ kind: 'detected', result: 'unsure' });
  });

  test('the caller leaves meanwhile', async () => {
    const hungUp = status('HANGUP\n200 result=1 (HANGUP)');
    expect(await carriedOut(effect, unset, run('200 result=-1'), ['CHANNEL STATUS', DEAD])).toEqual(GONE);
    expect(await carriedOut(effect, unset, run('200 result=0'), hungUp)).toEqual(GONE);
    expect(await carriedOut(effect, status(LOST))).toEqual(GONE);
    expect(await carriedOut(effect, status('HANGUP\n200 result=0'))).toEqual(GONE);
  });

  test('a telephone system without it', async () => {
    expect(await carriedOut(effect, unset, run('200 result=-2'))).toMatchObject({ kind: 'failed' });
  });

  test('settings that nobody has made are left to Asterisk', async () => {
    const turns = [unset, ['EXEC AMD', '200 result=0'], unset] as const;
    expect(await carriedOut({ kind: 'amd', settings: [null, null] }, ...turns)).toMatchObject({ kind: 'detected' });
  });
});

describe('transfer', () => {
  const dialplan: Effect = {
    kind: 'transfer',
    target: { kind: 'dialplan', context: 'default', extension: '8300', priority: 1 },
  };
  const dial: Effect = { kind: 'transfer', target: { kind: 'dial', dial: 'SIP/agent,x', timeout_seconds: 20 } };
  const DIAL = 'EXEC Dial "SIP/agent\\\\,x,20,g"';
  const status = (answer: string): readonly [string, string] => ['GET VARIABLE DIALSTATUS', answer];

  test('tells the dialplan where to go on', async () => {
    const turns = [
      ['SET CONTEXT default', '200 result=0'],
      ['SET EXTENSION 8300', '200 result=0'],
      ['SET PRIORITY 1', '200 result=0'],
    ] as const;
    expect(await carriedOut(dialplan, ...turns)).toEqual({ kind: 'done' });
  });

  test('a caller who leaves in the middle is not transferred', async () => {
    expect(await carriedOut(dialplan, ['SET CONTEXT default', '200 result=0'], ['SET EXTENSION 8300', DEAD])).toEqual(
      GONE,
    );
    const turns = [
      ['SET CONTEXT default', '200 result=0'],
      ['SET EXTENSION 8300', '200 result=0'],
      ['SET PRIORITY 1', 'HANGUP\n200 result=0'],
    ] as const;
    expect(await carriedOut(dialplan, ...turns)).toEqual(GONE);
  });

  test.each([
    ['ANSWER', 'answered'],
    ['BUSY', 'busy'],
    ['NOANSWER', 'no_answer'],
    ['CONGESTION', 'failed'],
    ['CHANUNAVAIL', 'failed'],
    ['DONTCALL', 'failed'],
    ['TORTURE', 'failed'],
    ['INVALIDARGS', 'failed'],
    ['SOMETHING', 'failed'],
  ])('%s is %s', async (answer, outcome) => {
    expect(await carriedOut(dial, [DIAL, '200 result=0'], status(`200 result=1 (${answer})`))).toEqual({
      kind: 'dialled',
      status: outcome,
    });
  });

  test('a conversation that the caller ended was one', async () => {
    expect(await carriedOut(dial, [DIAL, '200 result=-1'], status('HANGUP\n200 result=1 (ANSWER)'))).toEqual({
      kind: 'dialled',
      status: 'answered',
    });
  });

  test('a caller who leaves while it rings is gone', async () => {
    const turns = [[DIAL, '200 result=-1'], status('200 result=1 (CANCEL)'), ['CHANNEL STATUS', DEAD]] as const;
    expect(await carriedOut(dial, ...turns)).toEqual(GONE);
    expect(await carriedOut(dial, [DIAL, '200 result=-1'], status('HANGUP\n200 result=1 (CANCEL)'))).toEqual(GONE);
  });

  test('a failure with a status is that status while the caller is there', async () => {
    const turns = [[DIAL, '200 result=-1'], status('200 result=1 (BUSY)'), STATUS_UP] as const;
    expect(await carriedOut(dial, ...turns)).toEqual({ kind: 'dialled', status: 'busy' });
  });

  test('no answer, no Dial, no connection', async () => {
    expect(await carriedOut(dial, [DIAL, '200 result=-2'])).toMatchObject({ kind: 'failed' });
    expect(await carriedOut(dial, [DIAL, DEAD])).toEqual(GONE);
    expect(await carriedOut(dial, [DIAL, LOST])).toEqual(GONE);
    expect(await carriedOut(dial, [DIAL, '200 result=-1'], status('200 result=0'), STATUS_UP)).toMatchObject({
      kind: 'failed',
    });
  });
});

describe('hangup', () => {
  test.each(['200 result=1', DEAD, LOST, '200 result=-1'])('is done, whatever the answer: %s', async (answer) => {
    expect(await carriedOut({ kind: 'hangup' }, ['HANGUP', answer])).toEqual({ kind: 'done' });
    expect(await carriedOut({ kind: 'hangup', cause: 17 }, ['EXEC Hangup "17"', answer])).toEqual({ kind: 'done' });
  });
});

describe('what a script brings in', () => {
  const EVIL = 'a"b\\c\rd\ne\0f';
  const set = (value: string): Effect => ({ kind: 'channel', variables: [{ name: 'A', value }] });

  test.each<readonly [string, Effect, string]>([
    ['a value', set(EVIL), 'SET VARIABLE A "a\\"b\\\\cdef"'],
    ['a value of blanks', set(' \t '), 'SET VARIABLE A " \t "'],
    ['a name', { kind: 'channel', variables: [{ name: 'A 1"\nHANGUP', value: '' }] }, 'SET VARIABLE "A 1\\"HANGUP" ""'],
    [
      'a sound',
      { kind: 'play', prompt: { sound: 'x"\nHANGUP' }, interrupt_digits: '1\n"' },
      'STREAM FILE "x\\"HANGUP" "1"',
    ],
    ['letters', { kind: 'say', as: 'letters', value: 'a\nHANGUP', interrupt_digits: '' }, 'SAY ALPHA "aHANGUP" ""'],
    [
      'arguments',
      { kind: 'exec', application: 'NoOp', arguments: [EVIL, 'x,y'] },
      'EXEC NoOp "a\\\\\\"b\\\\\\\\cdef,x\\\\,y"',
    ],
    [
      'a number to dial',
      { kind: 'transfer', target: { kind: 'dial', dial: 'SIP/1\r\nHANGUP', timeout_seconds: 5 } },
      'EXEC Dial "SIP/1HANGUP,5,g"',
    ],
  ])('stays in its line: %s', async (_name, effect, line) => {
    expect(await carriedOut(effect, [line, DEAD])).toEqual(GONE);
  });

  const long = 'é'.repeat(1024);
  test.each<readonly [string, Effect]>([
    ['a value', set(long)],
    ['a sound', { kind: 'play', prompt: { sound: long }, interrupt_digits: '' }],
    ['letters', { kind: 'say', as: 'letters', value: long, interrupt_digits: '' }],
    ['arguments', { kind: 'exec', application: 'NoOp', arguments: [long] }],
    ['an extension', { kind: 'transfer', target: { kind: 'dialplan', context: 'x', extension: long, priority: 1 } }],
    ['a number to dial', { kind: 'transfer', target: { kind: 'dial', dial: long, timeout_seconds: 5 } }],
  ])('fails, and nothing is sent, when it makes a line of more than 2,047 bytes: %s', async (_name, effect) => {
    expect(await carriedOut(effect)).toEqual({ kind: 'failed', reason: expect.stringContaining('2047') });
  });

  test('a value that just fits is sent whole', async () => {
    const value = 'x'.repeat(2047 - 'SET VARIABLE A ""\n'.length);
    expect(await carriedOut(set(value), [`SET VARIABLE A "${value}"`, '200 result=1'])).toEqual({ kind: 'done' });
    expect(await carriedOut(set(`${value}x`))).toMatchObject({ kind: 'failed' });
  });
});

test('a webhook is none of the telephone’s', async () => {
  const masked = { url: '', headers: {} };
  const effect: Effect = { kind: 'http', method: 'GET', url: '', headers: {}, timeout_ms: 1, retries: 0, masked };
  expect(await carriedOut(effect)).toMatchObject({ kind: 'failed' });
});
