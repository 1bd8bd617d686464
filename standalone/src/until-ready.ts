import type { RunningBot } from '@voiceoi/bot';
import type { Readiness } from '@voiceoi/kernel';

/** The first call that somebody places finds the node ready: its configuration comes from this process's own master. */
export async function untilReady(bot: RunningBot): Promise<void> {
  for (let tries = 0; tries < 200 && !bot.ready().ready; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
}

/** One process is ready when each of its parts is; each says why it is not. */
export function allReady(parts: readonly Readiness[]): Readiness {
  return { ready: parts.every(({ ready }) => ready), reasons: parts.flatMap(({ reasons }) => reasons) };
}
