/** A command line without its line feed, and how long its answer may take. */
export interface Command {
  readonly line: string;
  readonly timeoutMs: number;
  /** The answer holds a variable's value, which may span lines. */
  readonly expectsValue?: boolean;
}

/** Thrown by a builder: the command cannot be said to Asterisk. Its effect fails. */
export class CommandError extends Error {
  readonly code = 'AGI_COMMAND';
}

/** Asterisk 16 runs the rest of a longer line as another command. */
export const LONGEST_LINE = 2047;

const SECOND = 1000;
const HOUR = 3600 * SECOND;
/** Time that Asterisk may take beyond what a command itself takes. */
const MARGIN = 10 * SECOND;
const QUICK = 5 * SECOND;

/** Text as one quoted word: line breaks and NUL are taken out, quotes and backslashes escaped. */
export function quote(text: string): string {
  return `"${withoutBreaks(text).replace(/["\\]/g, '\\$&')}"`;
}

function withoutBreaks(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]/g, '') : text;
}

function command(line: string, timeoutMs: number): Command {
  // A character takes at most three bytes in UTF-8 for each of its UTF-16 units, so short lines need no count.
  if (line.length * 3 > LONGEST_LINE && Buffer.byteLength(line) > LONGEST_LINE)
    throw new CommandError('longer than Asterisk takes in one command');
  return { line, timeoutMs };
}

/** A name or number that goes on the line without quotes. */
function word(text: string): string {
  const clean = withoutBreaks(text);
  if (clean === '' || /[\s"\\]/.test(clean)) return quote(clean);
  return clean;
}

export const noop = (): Command => command('NOOP', QUICK);
export const answer = (): Command => command('ANSWER', MARGIN);
export const streamFile = (sound: string, digits: string): Command =>
  command(`STREAM FILE ${word(sound)} "${digits}"`, HOUR);
export const waitForDigit = (timeoutMs: number): Command => command(`WAIT FOR DIGIT ${timeoutMs}`, timeoutMs + MARGIN);
export const setVariable = (name: string, value: string): Command =>
  command(`SET VARIABLE ${word(name)} ${quote(value)}`, QUICK);
export const getVariable = (name: string): Command => ({
  ...command(`GET VARIABLE ${word(name)}`, QUICK),
  expectsValue: true,
});
export const sayDigits = (digits: string, stopKeys: string): Command =>
  command(`SAY DIGITS ${word(digits)} "${stopKeys}"`, 300 * SECOND);
export const sayNumber = (number: string, stopKeys: string): Command =>
  command(`SAY NUMBER ${word(number)} "${stopKeys}"`, 60 * SECOND);
export const sayAlpha = (text: string, stopKeys: string): Command =>
  command(`SAY ALPHA ${quote(text)} "${stopKeys}"`, 300 * SECOND);
export const sayPhonetic = (text: string, stopKeys: string): Command =>
  command(`SAY PHONETIC ${quote(text)} "${stopKeys}"`, 600 * SECOND);
export const sayDate = (epoch: string, stopKeys: string): Command =>
  command(`SAY DATE ${word(epoch)} "${stopKeys}"`, 60 * SECOND);
export const sayTime = (epoch: string, stopKeys: string): Command =>
  command(`SAY TIME ${word(epoch)} "${stopKeys}"`, 60 * SECOND);
/** `format` and `zone` as in voicemail.conf; both absent: Asterisk's own. */
export const sayDatetime = (epoch: string, stopKeys: string, format?: string, zone?: string): Command =>
  command(
    `SAY DATETIME ${word(epoch)} "${stopKeys}"${format === undefined ? '' : ` ${quote(format)}`}${zone === undefined ? '' : ` ${quote(zone)}`}`,
    60 * SECOND,
  );
export const setContext = (context: string): Command => command(`SET CONTEXT ${word(context)}`, QUICK);
export const setExtension = (extension: string): Command => command(`SET EXTENSION ${word(extension)}`, QUICK);
export const setPriority = (priority: number): Command => command(`SET PRIORITY ${priority}`, QUICK);
export const hangup = (): Command => command('HANGUP', MARGIN);

/** Never without a time limit: Asterisk would not answer while no audio comes. */
export function recordFile(
  file: string,
  format: string,
  digits: string,
  maxSeconds: number,
  beep: boolean,
  silenceSeconds: number,
): Command {
  const options = `${beep ? ' BEEP' : ''}${silenceSeconds > 0 ? ` s=${silenceSeconds}` : ''}`;
  return command(
    `RECORD FILE ${word(file)} ${word(format)} "${digits}" ${maxSeconds * SECOND}${options}`,
    maxSeconds * SECOND + 2 * MARGIN,
  );
}

/** An application with its arguments as one word; `${}` in them is not evaluated. Commas inside an argument are escaped. */
export function exec(application: string, words: readonly string[], timeoutMs: number = HOUR): Command {
  const joined = words.map((text) => text.replace(/[\\,]/g, '\\$&')).join(',');
  return command(`EXEC ${word(application)} ${quote(joined)}`, timeoutMs);
}
