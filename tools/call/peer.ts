import { connect, type Socket } from 'node:net';

/** One line of the dialogue; `atMs` since the connection was asked for. */
export interface DialogueLine {
  readonly atMs: number;
  readonly from: 'asterisk' | 'node' | 'note';
  readonly text: string;
}

/** A call to place. */
export interface PeerOptions {
  readonly host: string;
  readonly port: number;
  readonly org?: string | undefined;
  readonly campaign?: string | undefined;
  /** Further arguments, `name=value`. */
  readonly args?: readonly string[];
  readonly caller?: string;
  readonly callerName?: string;
  /** Keys that the caller presses, taken in order by the commands that wait for one. */
  readonly keys?: string;
  /** The caller hangs up this long after the connection. */
  readonly hangupAfterMs?: number | undefined;
  /** How long the node may take for a command. */
  readonly timeoutMs?: number;
  /** Sounds and pauses take their time instead of none. */
  readonly realtime?: boolean;
  /** Keep every line of the dialogue. */
  readonly dialogue?: boolean;
  readonly uniqueId?: string;
  /** The answer to the second command waits for this. */
  readonly hold?: Promise<void>;
  /** Called with each command; an answer given here is used instead of ours. */
  readonly answer?: (command: string) => string | undefined;
}

/** What became of it. */
export interface PeerResult {
  readonly agistatus: 'SUCCESS' | 'FAILURE' | 'HANGUP' | 'TIMEOUT' | 'UNREACHABLE';
  readonly failure?: string;
  readonly call_id?: string;
  readonly outcome?: string;
  readonly disposition?: string;
  /** Connection asked for → first command. */
  readonly first_command_ms?: number;
  /** Answer written → next command read, for each command after the first. */
  readonly turns_ms: readonly number[];
  readonly commands: number;
  readonly duration_ms: number;
  readonly dialogue: readonly DialogueLine[];
}

const DEFAULT_TIMEOUT_MS = 30_000;
let calls = 0;

/** Places one call as Asterisk would: environment, answers, hangup. Never rejects. */
export function placeCall(options: PeerOptions): Promise<PeerResult> {
  return new Promise((resolve) => new Peer(options, resolve).start());
}

class Peer {
  readonly #options: PeerOptions;
  readonly #resolve: (result: PeerResult) => void;
  readonly #startedAt = performance.now();
  readonly #variables = new Map<string, string>();
  readonly #turns: number[] = [];
  readonly #dialogue: DialogueLine[] = [];
  #socket: Socket | undefined;
  #text = '';
  #keys: string;
  #commands = 0;
  #repliedAt = 0;
  #firstCommandMs: number | undefined;
  #hungUp = false;
  #saidHangup = false;
  #failure: string | undefined;
  #done = false;
  #watchdog: NodeJS.Timeout | undefined;
  #hangupTimer: NodeJS.Timeout | undefined;
  #busy: { readonly finish: () => void; readonly timer: NodeJS.Timeout } | undefined;

  constructor(options: PeerOptions, resolve: (result: PeerResult) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#keys = options.keys ?? '';
  }

  start(): void {
    const { host, port, hangupAfterMs } = this.#options;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    socket.on('connect', () => this.#write(this.#environment()));
    socket.on('data', (chunk) => this.#onData(chunk.toString('utf8')));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#commands === 0 && (error.code === 'ECONNREFUSED' || error.code === 'ENOTFOUND'))
        this.#end('UNREACHABLE', error.code);
    });
    socket.on('close', () => this.#end(this.#closedStatus()));
    this.#watch();
    if (hangupAfterMs !== undefined) this.#hangupTimer = setTimeout(() => this.#hangUp(), hangupAfterMs);
  }

  #closedStatus(): PeerResult['agistatus'] {
    if (this.#failure !== undefined) return 'FAILURE';
    return this.#hungUp ? 'HANGUP' : 'SUCCESS';
  }

  #environment(): string {
    const { org, campaign, args = [], caller = '3125550100', callerName = 'npm run call', uniqueId } = this.#options;
    const words = [
      ...(campaign === undefined ? [] : [`campaign_id=${campaign}`]),
      ...(org === undefined ? [] : [`org_id=${org}`]),
      ...args,
    ];
    const number = ++calls;
    const values: readonly (readonly [string, string])[] = [
      ['network', 'yes'],
      ['network_script', 'agi'],
      ['request', `agi://${this.#options.host}:${this.#options.port}/agi`],
      ['channel', `Local/1000@call-${number.toString(16).padStart(8, '0')};2`],
      ['language', 'en'],
      ['type', 'Local'],
      ['uniqueid', uniqueId ?? `${Math.floor(Date.now() / 1000)}.${number}`],
      ['version', '22.10.1'],
      ['callerid', caller],
      ['calleridname', callerName],
      ['callingpres', '0'],
      ['callingani2', '0'],
      ['callington', '0'],
      ['callingtns', '0'],
      ['dnid', 'unknown'],
      ['rdnis', 'unknown'],
      ['context', 'default'],
      ['extension', '1000'],
      ['priority', '1'],
      ['enhanced', '0.0'],
      ['accountcode', ''],
      ['threadid', '140000000000000'],
      ...words.map((word, index) => [`arg_${index + 1}`, index === 0 ? ` ${word}` : word] as const),
    ];
    return `${values.map(([name, value]) => `agi_${name}: ${value}\n`).join('')}\n`;
  }

  #onData(chunk: string): void {
    this.#text += chunk;
    for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 1);
      this.#onCommand(line);
    }
  }

  #onCommand(line: string): void {
    this.#note('node', line);
    if (line.startsWith('failure')) {
      this.#failure = line;
      this.#socket?.end();
      return;
    }
    const now = performance.now();
    if (this.#commands++ === 0) this.#firstCommandMs = now - this.#startedAt;
    else this.#turns.push(now - this.#repliedAt);
    this.#watch();
    const { reply, takesMs } = this.#answer(line);
    const { hold } = this.#options;
    if (hold && this.#commands === 2) void hold.then(() => this.#reply(reply));
    else if (takesMs === 0) this.#reply(reply);
    else this.#busy = { finish: () => this.#reply(reply), timer: setTimeout(() => this.#reply(reply), takesMs) };
  }

  #reply(reply: string): void {
    this.#busy = undefined;
    // As Asterisk does it: the hangup is told before the answer to the command after the one that it ended.
    if (this.#hungUp && !this.#saidHangup && !reply.includes('result=-1')) this.#sayHangup();
    this.#repliedAt = performance.now();
    this.#write(`${reply}\n`);
  }

  #sayHangup(): void {
    this.#saidHangup = true;
    this.#write('HANGUP\n');
  }

  #hangUp(): void {
    if (this.#hungUp || this.#done) return;
    this.#hungUp = true;
    this.#note('note', 'the caller hangs up');
    const busy = this.#busy;
    if (!busy) return this.#sayHangup();
    clearTimeout(busy.timer);
    this.#reply('200 result=-1');
  }

  #answer(line: string): { readonly reply: string; readonly takesMs: number } {
    const custom = this.#options.answer?.(line);
    if (custom !== undefined) return { reply: custom, takesMs: 0 };
    const [, verb = '', rest = ''] =
      /^(ANSWER|NOOP|STREAM FILE|WAIT FOR DIGIT|GET DATA|RECORD FILE|SAY \w+|SET VARIABLE|GET VARIABLE|SET \w+|EXEC|HANGUP|CHANNEL STATUS) ?(.*)$/s.exec(
        line,
      ) ?? [];
    if (this.#hungUp && (LIVE.has(verb) || LIVE.has(verb.split(' ')[0] ?? '')))
      return quick('511 Command Not Permitted on a dead channel or intercept routine');
    switch (verb) {
      case 'STREAM FILE':
        return this.#stream(rest);
      case 'WAIT FOR DIGIT':
        return this.#waitForDigit(Number(rest));
      case 'SET VARIABLE':
        return this.#setVariable(rest);
      case 'GET VARIABLE':
        return quick(
          this.#variables.has(unquote(rest)) ? `200 result=1 (${this.#variables.get(unquote(rest))})` : '200 result=0',
        );
      case 'RECORD FILE':
        return { reply: '200 result=0 (timeout) endpos=24000', takesMs: this.#options.realtime ? 3000 : 0 };
      case 'HANGUP':
        queueMicrotask(() => this.#hangUp());
        return quick('200 result=1');
      case 'EXEC':
        return this.#exec(rest);
      case '':
        return quick('510 Invalid or unknown command');
      default:
        return quick('200 result=0');
    }
  }

  #stream(rest: string): { readonly reply: string; readonly takesMs: number } {
    const stopKeys = /"([^"]*)"$/.exec(rest)?.[1] ?? '';
    const [key] = this.#keys;
    if (key !== undefined && stopKeys.includes(key)) {
      this.#keys = this.#keys.slice(1);
      return { reply: `200 result=${key.charCodeAt(0)} endpos=800`, takesMs: this.#options.realtime ? 100 : 0 };
    }
    return { reply: '200 result=0 endpos=8000', takesMs: this.#options.realtime ? 1000 : 0 };
  }

  /** Without a key the whole time goes by only for somebody who wants to watch it. */
  #waitForDigit(timeoutMs: number): { readonly reply: string; readonly takesMs: number } {
    const [key] = this.#keys;
    this.#keys = this.#keys.slice(1);
    if (key !== undefined)
      return { reply: `200 result=${key.charCodeAt(0)}`, takesMs: this.#options.realtime ? 200 : 0 };
    const waits = this.#options.realtime || this.#options.hangupAfterMs !== undefined;
    return { reply: '200 result=0', takesMs: waits ? timeoutMs : 0 };
  }

  #setVariable(rest: string): { readonly reply: string; readonly takesMs: number } {
    const at = rest.indexOf(' ');
    this.#variables.set(rest.slice(0, at), unquote(rest.slice(at + 1)));
    return quick('200 result=1');
  }

  #exec(rest: string): { readonly reply: string; readonly takesMs: number } {
    const [, application = '', words = ''] = /^(\S+) ?(.*)$/s.exec(rest) ?? [];
    if (application === 'Dial') this.#variables.set('DIALSTATUS', 'ANSWER');
    if (application === 'AMD') this.#variables.set('AMDSTATUS', 'HUMAN');
    if (application === 'Hangup') {
      queueMicrotask(() => this.#hangUp());
      return quick('200 result=-1');
    }
    const seconds = application === 'Wait' && this.#options.realtime ? Number(unquote(words)) : 0;
    return { reply: '200 result=0', takesMs: seconds * 1000 };
  }

  #write(text: string): void {
    if (this.#options.dialogue) for (const line of text.split('\n')) if (line !== '') this.#note('asterisk', line);
    if (this.#socket?.writable) this.#socket.write(text);
  }

  #note(from: DialogueLine['from'], text: string): void {
    if (this.#options.dialogue) this.#dialogue.push({ atMs: performance.now() - this.#startedAt, from, text });
  }

  #watch(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#end('TIMEOUT'), this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  }

  #end(agistatus: PeerResult['agistatus'], failure = this.#failure): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#hangupTimer);
    if (this.#busy) clearTimeout(this.#busy.timer);
    this.#socket?.destroy();
    const variable = (name: string): string | undefined => this.#variables.get(name) || undefined;
    const [callId, outcome, disposition] = [
      variable('VOICEOI_CALL_ID'),
      variable('VOICEOI_OUTCOME'),
      variable('VOICEOI_DISPOSITION'),
    ];
    this.#resolve({
      agistatus,
      ...(failure !== undefined && { failure }),
      ...(callId !== undefined && { call_id: callId }),
      ...(outcome !== undefined && { outcome }),
      ...(disposition !== undefined && { disposition }),
      ...(this.#firstCommandMs !== undefined && { first_command_ms: this.#firstCommandMs }),
      turns_ms: this.#turns,
      commands: this.#commands,
      duration_ms: performance.now() - this.#startedAt,
      dialogue: this.#dialogue,
    });
  }
}

/** Verbs of commands that a dead channel does not permit. */
const LIVE: ReadonlySet<string> = new Set([
  'ANSWER',
  'STREAM',
  'WAIT',
  'GET DATA',
  'RECORD',
  'SAY',
  'HANGUP',
  'CHANNEL',
]);

function quick(reply: string): { readonly reply: string; readonly takesMs: number } {
  return { reply, takesMs: 0 };
}

function unquote(text: string): string {
  return text.replace(/^"([\s\S]*)"$/, '$1').replace(/\\(.)/g, '$1');
}
