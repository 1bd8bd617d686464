import { createKeyRing, type RunningBot, startBot } from '@voiceoi/bot';
import type { Logger, Metrics, OpenRedis } from '@voiceoi/kernel';
import { DEMO, type Master } from '@voiceoi/master';
import { followKeys } from './follow-keys.ts';
import { botSettings, type StandaloneSettings } from './settings.ts';
import { untilReady } from './until-ready.ts';

interface OwnNode {
  readonly settings: StandaloneSettings;
  /** Of this process. */
  readonly master: Pick<Master, 'keys'>;
  /** On which it listens. */
  readonly port: number;
  readonly openRedis: OpenRedis;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Starts the node of this process; resolves when it is ready, or after a while. */
export async function startOwnNode({ settings, master, port, ...rest }: OwnNode): Promise<RunningBot> {
  const good = () => master.keys.texts(DEMO.orgId);
  const keys = createKeyRing(await good());
  const bot = await startBot({ settings: botSettings(settings, port), keys, bootstrap: undefined, ...rest });
  const unfollow = followKeys(keys, good);
  await untilReady(bot);
  return {
    ...bot,
    stop: async () => {
      unfollow();
      await bot.stop();
    },
  };
}
