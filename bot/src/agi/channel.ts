import type { Effect, EffectResult } from '@voiceoi/script';
import type { CallChannel } from '../calls/index.ts';
import { type Command, CommandError, getVariable, setVariable } from './command.ts';
import type { AgiConnection } from './connection.ts';
import { carryOut, type Dialogue } from './effects/index.ts';
import { NO_REPLY, type Reply } from './reply.ts';

/** The telephone side of a call, over its AGI connection. */
export class AgiChannel implements CallChannel, Dialogue {
  readonly #connection: AgiConnection;
  #gone: Promise<void> | undefined;

  constructor(connection: AgiConnection) {
    this.#connection = connection;
  }

  get hungUp(): boolean {
    return this.#connection.isHungUp;
  }

  get gone(): Promise<void> {
    this.#gone ??= new Promise((resolve) => this.#connection.onGone(resolve));
    return this.#gone;
  }

  get firstCommandAt(): number | undefined {
    return this.#connection.firstCommandAt;
  }

  get lastReplyAt(): number {
    return this.#connection.lastReplyAt;
  }

  get lastCommandAt(): number {
    return this.#connection.lastCommandAt;
  }

  /** What effects speak through: nothing more is said for one once the call's time is over. */
  send(command: Command): Promise<Reply> {
    return this.#connection.isOver ? Promise.resolve(NO_REPLY) : this.#connection.send(command);
  }

  async perform(effect: Effect): Promise<EffectResult> {
    try {
      return await carryOut(this, effect);
    } catch (error) {
      return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
    }
  }

  async readVariables(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const values = new Map<string, string>();
    for (const name of names) {
      const { value } = await this.#say(getVariable, name, '');
      if (value !== undefined) values.set(name, value);
    }
    return values;
  }

  async setVariables(variables: readonly { readonly name: string; readonly value: string }[]): Promise<void> {
    for (const { name, value } of variables) await this.#say(setVariable, name, value);
  }

  /** A variable that cannot be said to Asterisk is left out; those behind it are not. */
  #say(build: (name: string, value: string) => Command, name: string, value: string): Promise<Reply> {
    try {
      return this.#connection.send(build(name, value));
    } catch (error) {
      if (error instanceof CommandError) return Promise.resolve(NO_REPLY);
      throw error;
    }
  }

  close(): void {
    this.#connection.end();
  }

  abort(withinMs: number): void {
    this.#connection.limit(withinMs);
  }
}
