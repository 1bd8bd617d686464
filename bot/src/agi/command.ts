/** Only the builders of this file can make a command: what goes to Asterisk is quoted, and never more than one line. */
const BUILT = Symbol('built');

/** A command line without its line feed, and how long its answer may take. */
export interface Command {
  readonly [BUILT]: true;
  readonly line: string;
  readonly timeoutMs: number;
  /** The answer holds a variable's value, which may span lines. */
  readonly expectsValue: boolean;
}

/** Thrown by a builder: the command cannot be said to Asterisk. Its effect fails. */
export class CommandError extends Error {
  readonly code = 'AGI_COMMAND';
}

/** Bytes with the line feed. Asterisk 16 runs the rest of a longer line as another command. */
export const LONGEST_LINE = 2047;

const SECOND = 1000;
const HOUR = 3600 * SECOND;
/** Longest call (script-language.md, Rules of a call): what only the other side or a script's limit ends. */
const CALL = 24 * HOUR;
/** Time that Asterisk may take beyond what a command itself takes. */
const MARGIN = 10 * SECOND;
const QUICK = 5 * SECOND;

/** Text as one quoted word: line breaks and NUL are taken out, quotes and backslashes escaped. */
function quote(text: string): string {
  return `"${withoutBreaks(text).replace(/["\\]/g, '\\$&')}"`;
}

function withoutBreaks(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replace(/[\r\n\0]/g, '') : text;
}

/** A name that goes on the line without quotes when it can. */
function word(text: string): string {
  return /^[\w!#$%&'()*+,./:;<=>?@[\]^{|}~-]+$/.test(text) ? text : quote(text);
}

/** Keys as Asterisk takes them; anything else is left away. */
function keys(text: string): string {
  return `"${text.replace(/[^0-9*#A-D]/g, '')}"`;
}

/** A value that would not fit is no value that is cut: half a text can mean something else. */
function command(line: string, timeoutMs: number, expectsValue = false): Command {
  // A UTF-16 unit takes at most three bytes in UTF-8, so short lines need no count.
  if (line.length * 3 >= LONGEST_LINE && Buffer.byteLength(line) >= LONGEST_LINE)
    throw new CommandError(`longer than the ${LONGEST_LINE} bytes that Asterisk takes in one command`);
  return { [BUILT]: true, line, timeoutMs, expectsValue };
}

const ANSWER = command('ANSWER', 3 * MARGIN);
const HANGUP = command('HANGUP', MARGIN);
const CHANNEL_STATUS = command('CHANNEL STATUS', QUICK);

export const answer = (): Command => ANSWER;
export const hangup = (): Command => HANGUP;
export const channelStatus = (): Command => CHANNEL_STATUS;
export const streamFile = (sound: string, stopKeys: string): Command =>
  command(`STREAM FILE ${word(sound)} ${keys(stopKeys)}`, HOUR);
/** `timeoutMs` is never negative: Asterisk would wait for ever. */
export const waitForDigit = (timeoutMs: number): Command => {
  const ms = Math.max(0, Math.round(timeoutMs));
  return command(`WAIT FOR DIGIT ${ms}`, ms + MARGIN);
};
export const setVariable = (name: string, value: string): Command =>
  command(`SET VARIABLE ${word(name)} ${quote(value)}`, QUICK);
export const getVariable = (name: string): Command => command(`GET VARIABLE ${word(name)}`, QUICK, true);

/** Commands that say one word: letters and dates. */
export type SayVerb = 'DIGITS' | 'NUMBER' | 'ALPHA' | 'PHONETIC' | 'DATE' | 'TIME';
export const say = (verb: SayVerb, value: string, stopKeys: string): Command =>
  command(`SAY ${verb} ${word(value)} ${keys(stopKeys)}`, HOUR);
/** `format` and `zone` as in voicemail.conf; absent: Asterisk's own. */
export const sayDatetime = (epoch: string, stopKeys: string, format?: string, zone?: string): Command => {
  const options = [format, zone].filter((option) => option !== undefined).map((option) => ` ${quote(option)}`);
  return command(`SAY DATETIME ${word(epoch)} ${keys(stopKeys)}${options.join('')}`, HOUR);
};

export const setContext = (context: string): Command => command(`SET CONTEXT ${word(context)}`, QUICK);
export const setExtension = (extension: string): Command => command(`SET EXTENSION ${word(extension)}`, QUICK);
export const setPriority = (priority: number): Command => command(`SET PRIORITY ${Math.trunc(priority)}`, QUICK);

/** What a recording is asked for. */
export interface RecordOptions {
  readonly file: string;
  readonly format: string;
  readonly stopKeys: string;
  readonly maxMs: number;
  readonly silenceSeconds: number;
  readonly beep: boolean;
}

/** Never without a time limit: Asterisk would not answer while no audio comes. */
export function recordFile({ file, format, stopKeys, maxMs, silenceSeconds, beep }: RecordOptions): Command {
  const ms = Math.max(1, Math.round(maxMs));
  // The 0 is an offset that nobody wants; without it older versions take the next word for it.
  const options = `0${beep ? ' BEEP' : ''}${silenceSeconds > 0 ? ` s=${Math.ceil(silenceSeconds)}` : ''}`;
  return command(`RECORD FILE ${word(file)} ${word(format)} ${keys(stopKeys)} ${ms} ${options}`, ms + 2 * MARGIN);
}

/**
 * An application with its arguments as one word. What separates arguments (a comma), groups them (quotes) or escapes (a backslash) is escaped
 * inside one.
 */
export function exec(application: string, words: readonly string[], timeoutMs: number = CALL + MARGIN): Command {
  if (words.length === 0) return command(`EXEC ${word(application)}`, timeoutMs);
  const joined = words.map((text) => text.replace(/[\\,"]/g, '\\$&')).join(',');
  return command(`EXEC ${word(application)} ${quote(joined)}`, timeoutMs);
}
