import type { Effect, EffectResult } from '@voiceoi/script';
import type { CallChannel } from '../calls/index.ts';
import { CommandError, getVariable } from './command.ts';
import type { AgiConnection } from './connection.ts';
import { carryOut, setVariables } from './effects/index.ts';

/** The telephone side of a call, over its AGI connection. */
export class AgiChannel implements CallChannel {
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

  async perform(effect: Effect): Promise<EffectResult> {
    return unsayable(() => carryOut(this.#connection, effect));
  }

  async readVariables(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const values = new Map<string, string>();
    for (const name of names) {
      const reply = await this.#connection.send(getVariable(name));
      if (reply.value !== undefined) values.set(name, reply.value);
    }
    return values;
  }

  async setVariables(variables: readonly { readonly name: string; readonly value: string }[]): Promise<void> {
    await unsayable(() => setVariables(this.#connection, variables));
  }

  close(): void {
    this.#connection.end();
  }

  abort(withinMs: number): void {
    this.#connection.limit(withinMs);
  }
}

/** A command that cannot be said to Asterisk is an effect that failed. */
async function unsayable(act: () => Promise<EffectResult>): Promise<EffectResult> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof CommandError) return { kind: 'failed', reason: error.message };
    throw error;
  }
}
