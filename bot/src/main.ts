import {
  boundYoungGeneration,
  checkDataDir,
  checkPorts,
  createLogger,
  createMetrics,
  lockFolder,
  openRedis,
  readCommandLine,
  runUntilSignal,
  type SettingsProblem,
  sayAndEnd,
  startOpsServer,
  VERSION,
} from '@voiceoi/kernel';
import { createKeyRing, readKeysFolder, watchKeysFolder } from './keys/index.ts';
import { startBot } from './node.ts';
import { BOT_PROCESS_VARIABLES, type BotProcessSettings, checkBotSettings, keysOf } from './settings.ts';
import { readBootstrap } from './settings-files.ts';

const USAGE = `VoiceOI bot node ${VERSION}: answers calls over AGI and webhooks from the configuration of a master.
  node dist/index.js SERVICE_MODE=bot SYNC_MASTER_URL=http://master:4000 SYNC_SECRET_KEY=voi_…`;

/** Room for the garbage of a burst of calls; more of it only stays resident. */
const YOUNG_MIB = 32;

const commandLine = await readCommandLine({
  usage: USAGE,
  variables: BOT_PROCESS_VARIABLES,
  argv: process.argv.slice(2),
  env: process.env,
  check,
});
if (commandLine.kind === 'run') await run(commandLine.values);
else sayAndEnd(commandLine);

async function check(settings: Partial<BotProcessSettings>): Promise<readonly SettingsProblem[]> {
  const ports = (['AGI_PORT', 'HTTP_PORT', 'OPS_PORT'] as const).map((name) => ({
    name,
    host: settings.HOST,
    port: settings[name],
  }));
  return [
    ...checkBotSettings(settings),
    ...(await checkPorts(ports)),
    ...(await checkDataDir(settings.DATA_DIR)),
    ...readBootstrap(settings.BOOTSTRAP_FILE).problems,
    ...(await readKeysFolder(settings.SYNC_SECRET_KEYS_DIR)).problems,
  ];
}

async function run(settings: BotProcessSettings): Promise<void> {
  boundYoungGeneration(YOUNG_MIB);
  const lock = await lockFolder(settings.DATA_DIR);
  if (!lock) {
    console.error(`DATA_DIR ${settings.DATA_DIR} is used by another process: give each node a folder of its own`);
    process.exitCode = 78;
    return;
  }
  const log = createLogger({ level: settings.LOG_LEVEL, mode: 'bot' });
  const metrics = createMetrics({ mode: 'bot', version: VERSION });
  const { bundle: bootstrap } = readBootstrap(settings.BOOTSTRAP_FILE);
  const folder = settings.SYNC_SECRET_KEYS_DIR;
  // Those in the folder are used first: they can be changed while the node runs.
  const withSet = (found: readonly string[]): readonly string[] => [...found, ...keysOf(settings)];
  const keys = createKeyRing(withSet((await readKeysFolder(folder)).keys));
  const bot = await startBot({ settings, keys, bootstrap, openRedis, log, metrics });
  const ops = await startOpsServer({
    host: settings.HOST,
    port: settings.OPS_PORT,
    metrics,
    ready: bot.ready,
    state: bot.state,
  });
  log.info(
    {
      ...{ agi_port: bot.agiPort, http_port: bot.httpPort, ops_port: ops.port },
      ...{ master: settings.SYNC_MASTER_URL, node_id: settings.NODE_ID },
    },
    'the bot node is running',
  );
  const unwatch = folder
    ? watchKeysFolder({ path: folder, onKeys: (found) => keys.replace(withSet(found)), log })
    : undefined;
  runUntilSignal({
    log,
    stop: async () => {
      unwatch?.();
      await bot.stop();
      await ops.close();
      await lock.release();
    },
  });
}
