import type { RunningBot } from '@voiceoi/bot';

/** The first call that somebody places finds the node ready: its configuration comes from this process's own master. */
export async function untilReady(bot: RunningBot): Promise<void> {
  for (let tries = 0; tries < 200 && !bot.ready().ready; tries++)
    await new Promise((resolve) => setTimeout(resolve, 25));
}
