import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import {
  createLogger,
  createMetrics,
  describeProblems,
  EXIT_SETTINGS,
  lockFolder,
  openRedis,
  problemsOf,
  readCommandLine,
  runUntilSignal,
  sayAndEnd,
  startOpsServer,
  VERSION,
} from '@voiceoi/kernel';
import {
  createMaster,
  type Database,
  DEMO,
  ensureDemo,
  POSTGRES_TYPES,
  pgliteDatabase,
  poolConfig,
  postgresDatabase,
  redisOf,
} from '@voiceoi/master';
import { Pool } from 'pg';
import { keepSecrets } from './generated-secrets.ts';
import { startOwnNode } from './own-node.ts';
import { checkStandalone, inUse, masterSettings, STANDALONE_VARIABLES, type StandaloneSettings } from './settings.ts';
import { allReady } from './until-ready.ts';
import { welcome } from './welcome.ts';

const USAGE = `VoiceOI standalone ${VERSION}: master and one bot node in one process.
  make run                 or   npm start -- PORT=4000 DATA_DIR=./.voiceoi`;

const commandLine = await readCommandLine({
  usage: USAGE,
  variables: STANDALONE_VARIABLES,
  argv: process.argv.slice(2),
  env: process.env,
  check: checkStandalone,
});
if (commandLine.kind === 'run') await run(commandLine.values).catch(refuse);
else sayAndEnd(commandLine);

async function run(settings: StandaloneSettings): Promise<void> {
  const lock = await lockFolder(settings.DATA_DIR);
  if (!lock) return refuse(undefined, [inUse(settings.DATA_DIR)]);
  const log = createLogger({ level: settings.LOG_LEVEL, mode: 'standalone' });
  const metrics = createMetrics({ mode: 'standalone', version: VERSION });
  const database = await openDatabase(settings);
  const forMaster = masterSettings(settings, await keepSecrets(settings.DATA_DIR));
  const address = redisOf(settings);
  const redis = address && { connections: openRedis(address.own, 'voiceoi-standalone'), address: address.forNodes };
  const master = await createMaster({ settings: forMaster, database, log, metrics, redis });
  await ensureDemo(database, master);
  const port = await master.listen();
  const bot = await startOwnNode({ settings, master, port, openRedis, log, metrics });
  const ready = () => allReady([master.ready(), bot.ready()]);
  const ops = await startOpsServer({ host: settings.HOST, port: settings.OPS_PORT, metrics, ready, state: bot.state });
  const password = settings.ADMIN_PASSWORD ? undefined : master.administrator?.password;
  console.log(welcome(settings, { port, agiPort: bot.agiPort, opsPort: ops.port }, DEMO, password));
  runUntilSignal({
    log,
    stop: async () => {
      await bot.stop();
      await master.stop();
      await ops.close();
      await database.close();
      await lock.release();
    },
  });
}

async function openDatabase(settings: StandaloneSettings): Promise<Database> {
  if (settings.DB_HOST) return postgresDatabase(new Pool({ ...poolConfig(settings), types: POSTGRES_TYPES }));
  const folder = join(settings.DATA_DIR, 'postgres');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return pgliteDatabase(await PGlite.create(folder));
}

function refuse(error: unknown, found = problemsOf(error)): void {
  console.error(
    found ? describeProblems(found) : `VoiceOI cannot start: ${error instanceof Error ? error.message : error}`,
  );
  process.exit(found ? EXIT_SETTINGS : 1);
}
