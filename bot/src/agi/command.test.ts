import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as commands from './command.ts';

/** Takes a line apart as Asterisk does (`parse_args` of res_agi.c): blanks part words, quotes hold them together, a backslash takes the next. */
function wordsAsAsteriskReads(line: string): readonly string[] {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (const [token] of line.matchAll(/\\?[\s\S]/gu)) {
    const isBlank = !isQuoted && /^[ \t]$/.test(token);
    if (isBlank && word !== undefined) words.push(word);
    if (token === '"') isQuoted = !isQuoted;
    if (isBlank) word = undefined;
    else word = (word ?? '') + (token === '"' ? '' : token.replace(/^\\/, ''));
  }
  return word === undefined ? words : [...words, word];
}

/** Arguments as an application gets them (`ast_app_separate_args`): commas part them, quotes are taken out, a backslash takes the next. */
function argumentsAsAnApplicationReads(text: string): readonly string[] {
  const found = [''];
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? '';
    if (character === '\\') found.push((found.pop() ?? '') + (text[++at] ?? ''));
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ',' && !isQuoted) found.push('');
    else found.push((found.pop() ?? '') + character);
  }
  return found;
}

const withoutBreaks = (text: string): string => text.replace(/[\r\n\0]/g, '');
const shortText = fc.string({ maxLength: 200, unit: 'grapheme' });
const evilText = fc
  .array(
    fc.oneof(shortText, fc.constantFrom('"', '\\', '\n', '\r\n', '\0', ' ', '\t', ',', '$', '{X}', '\nEXEC System x')),
    {
      maxLength: 6,
    },
  )
  .map((parts) => parts.join(''));

describe('what goes on the line', () => {
  test('any value arrives as it is, in one line, without line breaks and NUL', () => {
    fc.assert(
      fc.property(evilText, (value) => {
        const { line } = commands.setVariable('NAME', value);
        expect(line).not.toMatch(/[\r\n\0]/);
        expect(wordsAsAsteriskReads(line)).toEqual(['SET', 'VARIABLE', 'NAME', withoutBreaks(value)]);
      }),
      { numRuns: 2000 },
    );
  });

  test('any text stays in its word, whatever the command', () => {
    fc.assert(
      fc.property(evilText, (text) => {
        const clean = withoutBreaks(text);
        const words = (command: commands.Command): readonly string[] => wordsAsAsteriskReads(command.line);
        expect(words(commands.streamFile(text, '1'))).toEqual(['STREAM', 'FILE', clean, '1']);
        expect(words(commands.getVariable(text))).toEqual(['GET', 'VARIABLE', clean]);
        expect(words(commands.say('ALPHA', text, ''))).toEqual(['SAY', 'ALPHA', clean, '']);
        expect(words(commands.setContext(text))).toEqual(['SET', 'CONTEXT', clean]);
        expect(words(commands.setExtension(text))).toEqual(['SET', 'EXTENSION', clean]);
      }),
      { numRuns: 1000 },
    );
  });

  test('any arguments of an application arrive as they are', () => {
    fc.assert(
      fc.property(fc.array(evilText, { minLength: 1, maxLength: 4 }), (texts) => {
        const [verb, application, joined = '', ...rest] = wordsAsAsteriskReads(commands.exec('UserEvent', texts).line);
        expect([verb, application, rest]).toEqual(['EXEC', 'UserEvent', []]);
        expect(argumentsAsAnApplicationReads(joined)).toEqual(texts.map(withoutBreaks));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    [commands.answer(), 'ANSWER'],
    [commands.streamFile('custom/hello', '12*#'), 'STREAM FILE custom/hello "12*#"'],
    [
      commands.streamFile('http://sounds.example/long/enough.wav', ''),
      'STREAM FILE http://sounds.example/long/enough.wav ""',
    ],
    [commands.streamFile('two words', 'x1"\n'), 'STREAM FILE "two words" "1"'],
    [commands.waitForDigit(5000), 'WAIT FOR DIGIT 5000'],
    [commands.waitForDigit(-1), 'WAIT FOR DIGIT 0'],
    [commands.setVariable('CDR(userfield)', ''), 'SET VARIABLE CDR(userfield) ""'],
    [commands.say('DIGITS', '123', '#'), 'SAY DIGITS 123 "#"'],
    [commands.sayDatetime('1700000000', ''), 'SAY DATETIME 1700000000 ""'],
    [commands.sayDatetime('1', '', 'IMp', 'Europe/Berlin'), 'SAY DATETIME 1 "" "IMp" "Europe/Berlin"'],
    [commands.setPriority(2), 'SET PRIORITY 2'],
    [commands.exec('Wait', ['1.5']), 'EXEC Wait "1.5"'],
    [commands.exec('Progress', []), 'EXEC Progress'],
    [commands.exec('AMD', ['', '', '800']), 'EXEC AMD ",,800"'],
  ])('%o is %s', (command, line) => {
    expect(command.line).toBe(line);
  });

  test('a recording always has a limit', () => {
    const options = { file: 'rec/1', format: 'wav', stopKeys: '#', maxMs: -1, silenceSeconds: 3, beep: true };
    expect(commands.recordFile(options).line).toBe('RECORD FILE rec/1 wav "#" 1 0 BEEP s=3');
    expect(commands.recordFile({ ...options, maxMs: 60_000, silenceSeconds: 0, beep: false }).line).toBe(
      'RECORD FILE rec/1 wav "#" 60000 0',
    );
  });
});

describe('the length of a line', () => {
  const bytesOfSet = Buffer.byteLength('SET VARIABLE X ""\n');

  test.each(['a', 'é', '日', '😀', '"'])('of %s is counted in bytes, as written', (character) => {
    const each = Buffer.byteLength(character === '"' ? '\\"' : character);
    const fitting = Math.floor((commands.LONGEST_LINE - bytesOfSet) / each);
    expect(Buffer.byteLength(`${commands.setVariable('X', character.repeat(fitting)).line}\n`)).toBeLessThanOrEqual(
      2047,
    );
    expect(() => commands.setVariable('X', character.repeat(fitting + 1))).toThrow(commands.CommandError);
  });

  test('one that would not fit is refused by every builder that takes text', () => {
    const long = 'x'.repeat(2100);
    for (const build of [
      () => commands.streamFile(long, ''),
      () => commands.getVariable(long),
      () => commands.say('ALPHA', long, ''),
      () => commands.setContext(long),
      () => commands.setExtension(long),
      () => commands.exec(long, []),
      () => commands.exec('NoOp', [long]),
      () => commands.recordFile({ file: long, format: 'wav', stopKeys: '', maxMs: 1, silenceSeconds: 0, beep: false }),
    ])
      expect(build).toThrow(commands.CommandError);
  });
});

describe('how long an answer may take', () => {
  test('is what the command itself takes, and a margin', () => {
    expect(commands.waitForDigit(5000).timeoutMs).toBe(15_000);
    expect(commands.setVariable('X', '').timeoutMs).toBe(5000);
    const recording = commands.recordFile({
      file: 'x',
      format: 'wav',
      stopKeys: '',
      maxMs: 60_000,
      silenceSeconds: 0,
      beep: true,
    });
    expect(recording.timeoutMs).toBe(80_000);
    expect(commands.exec('Wait', ['2'], 12_000).timeoutMs).toBe(12_000);
  });
});
