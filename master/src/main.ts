import {
  checkPorts,
  createLogger,
  createMetrics,
  openRedis,
  readCommandLine,
  runUntilSignal,
  type SettingsProblem,
  sayAndEnd,
  startOpsServer,
  VERSION,
} from '@voiceoi/kernel';
import { Pool } from 'pg';
import { createMaster, POSTGRES_TYPES, postgresDatabase } from './index.ts';
import { checkRedisSettings, redisOf } from './redis-settings.ts';
import { MASTER_VARIABLES, type MasterSettings, poolConfig } from './settings.ts';

const USAGE = `VoiceOI master ${VERSION}: API and configuration of organizations, campaigns and scripts.
  npm run start:master -- DB_HOST=localhost DB_PASS_FILE=/run/secrets/db JWT_SECRET_FILE=… SYNC_SECRET_SALT_FILE=…`;

const commandLine = await readCommandLine({
  usage: USAGE,
  variables: MASTER_VARIABLES,
  argv: process.argv.slice(2),
  env: process.env,
  check,
});
if (commandLine.kind === 'run') await run(commandLine.values);
else sayAndEnd(commandLine);

async function check(settings: Partial<MasterSettings>): Promise<readonly SettingsProblem[]> {
  const names = ['PORT', 'OPS_PORT', 'GATEWAY_AGI_PORT'] as const;
  const ports = names.map((name) => ({ name, host: settings.HOST, port: settings[name] }));
  return [...checkRedisSettings(settings), ...(await checkPorts(ports))];
}

async function run(settings: MasterSettings): Promise<void> {
  const log = createLogger({ level: settings.LOG_LEVEL, mode: 'master' });
  const metrics = createMetrics({ mode: 'master', version: VERSION });
  const database = postgresDatabase(new Pool({ ...poolConfig(settings), types: POSTGRES_TYPES }));
  const address = redisOf(settings);
  const redis = address && { connections: openRedis(address.own, 'voiceoi-master'), address: address.forNodes };
  const master = await createMaster({ settings, database, log, metrics, redis }).catch(async (error: unknown) => {
    const { DB_HOST, DB_PORT, DB_NAME } = settings;
    console.error(
      `The database ${DB_NAME} at ${DB_HOST}:${DB_PORT} cannot be used: ${error instanceof Error ? error.message || String(error.cause ?? error.name) : error}`,
    );
    await database.close();
    process.exit(1);
  });
  const port = await master.listen();
  const ops = await startOpsServer({ host: settings.HOST, port: settings.OPS_PORT, metrics, ready: master.ready });
  if (master.administrator && !settings.ADMIN_PASSWORD) {
    console.log(
      `First administrator: ${master.administrator.email}, password ${master.administrator.password} (shown this once)`,
    );
  }
  log.info({ port, ops_port: ops.port, public_url: settings.PUBLIC_URL }, 'the master is running');
  runUntilSignal({
    log,
    stop: async () => {
      await master.stop();
      await ops.close();
      await database.close();
    },
  });
}
