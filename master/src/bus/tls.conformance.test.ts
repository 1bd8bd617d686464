import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RedisAddress } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SOON } from '../../../test/services/bus-operations.ts';
import { type Certificates, makeCertificates } from '../../../test/services/certificates.ts';
import { freePort } from '../../../test/services/free-port.ts';
import { type PostgresService, startPostgres } from '../../../test/services/postgres.ts';
import { type StartedProcess, startProcess } from '../../../test/services/process.ts';
import { type RedisService, redisSkipReason, startRedis } from '../../../test/services/redis.ts';
import { MASTER_NAME, startSentinel } from '../../../test/services/redis-sentinel.ts';

const skip = redisSkipReason();
if (skip && process.env['CI']) throw new Error(skip);

const root = join(import.meta.dirname, '../../..');
/** Opens connections to the address in its words, and says what comes of it. */
const CLIENT = `
import { openRedis } from '@voiceoi/kernel';
const { commands, messages } = openRedis(JSON.parse(process.argv[1]), 'test');
messages.on('error', (error) => console.log('refused:', error.message));
const ready = (client) => new Promise((resolve) => client.status === 'ready' ? resolve() : client.once('ready', resolve));
await Promise.all([ready(commands), ready(messages)]);
messages.on('message', (_channel, text) => console.log('heard', text));
await messages.subscribe('voiceoi:{abc}:changes');
await commands.hset('voiceoi:{abc}:head', 'epoch', 'e1');
console.log('read', (await commands.hmget('voiceoi:{abc}:head', 'epoch'))[0]);
await commands.publish('voiceoi:{abc}:changes', 'a word');
`;

describe.skipIf(skip)('Redis with TLS', () => {
  let certificates: Certificates;
  let tls: readonly (readonly [string, string])[];
  let redis: RedisService;
  let tlsPort: number;
  const started = new Set<StartedProcess | ChildProcess>();

  const openClient = (address: Partial<RedisAddress>, env: { readonly [name: string]: string }): StartedProcess => {
    const words = ['--conditions=source', '--input-type=module', '-e', CLIENT];
    const whole = JSON.stringify({ host: '127.0.0.1', port: tlsPort, tls: true, ...address });
    const child = startProcess(process.execPath, [...words, whole], { cwd: join(root, 'master'), env });
    started.add(child);
    return child;
  };
  const trusting = () => ({ NODE_EXTRA_CA_CERTS: certificates.ca });
  const startTls = async (words: readonly string[] = []): Promise<{ service: RedisService; port: number }> => {
    const port = await freePort();
    const settings = tls.flatMap(([name, value]) => [`--${name}`, value]);
    return { service: await startRedis(['--tls-port', String(port), ...settings, ...words]), port };
  };

  beforeAll(async () => {
    certificates = makeCertificates();
    tls = [
      ['tls-cert-file', certificates.certificate],
      ['tls-key-file', certificates.key],
      ['tls-ca-cert-file', certificates.ca],
      ['tls-auth-clients', 'no'],
    ];
    ({ service: redis, port: tlsPort } = await startTls());
  });
  afterAll(async () => {
    for (const one of started) await ('child' in one ? one.stop('SIGKILL') : one.kill('SIGKILL'));
    await redis?.stop();
    certificates?.remove();
  });

  test.each(['127.0.0.1', 'localhost'])('is reached as %s by whoever trusts its authority', async (host) => {
    const client = openClient({ host }, trusting());
    await client.waitFor(/read e1/);
    await client.waitFor(/heard a word/);
    await client.stop();
  });

  test('is not trusted by itself', async () => {
    const client = openClient({}, {});
    await client.waitFor(/refused: .*(certificate|issuer)/);
    await client.stop();
  });

  test('is reached by a master that REDIS_TLS is set for', async () => {
    const postgres: PostgresService = await startPostgres();
    const settings = [
      `DB_HOST=${postgres.host}`,
      `DB_PORT=${postgres.port}`,
      `DB_USER=${postgres.user}`,
      `DB_NAME=${postgres.database}`,
      ...(postgres.password ? [`DB_PASS=${postgres.password}`] : []),
      'JWT_SECRET=a secret for tests that is long enough',
      'SYNC_SECRET_SALT=a salt for tests that is long enough',
      'HOST=127.0.0.1',
      'PORT=0',
      'OPS_PORT=0',
      'REDIS_HOST=localhost',
      `REDIS_PORT=${tlsPort}`,
      'REDIS_TLS=true',
    ];
    const words = ['--conditions=source', join(root, 'master/src/main.ts'), ...settings];
    const master = startProcess(process.execPath, words, { cwd: root, env: trusting() });
    started.add(master);
    await master.waitFor(/connected to Redis/);
    await master.stop();
    await postgres.stop();
  });

  test('is reached behind Sentinels that speak TLS alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'voiceoi-sentinel-'));
    const lines = [...tls.map((pair) => pair.join(' ')), 'tls-replication yes'];
    const sentinel = await startSentinel(folder, tlsPort, 1, lines);
    started.add(sentinel.process);
    const address = { port: sentinel.port, sentinels: [{ host: 'localhost', port: sentinel.port }] };
    const client = openClient({ ...address, master_name: MASTER_NAME }, trusting());
    await client.waitFor(/read e1/);
    await client.waitFor(/heard a word/);
    await client.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('is reached in a cluster', async () => {
    const words = ['--cluster-enabled', 'yes', '--tls-cluster', 'yes', '--cluster-announce-ip', '127.0.0.1'];
    const { service, port } = await startTls([...words, '--cluster-port', String(await freePort())]);
    const raw = service.client();
    await raw.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    await expect.poll(async () => String(await raw.cluster('INFO')), SOON).toContain('cluster_state:ok');
    const client = openClient({ port, cluster: [{ host: 'localhost', port }] }, trusting());
    await client.waitFor(/read e1/);
    await client.waitFor(/heard a word/);
    await client.stop();
    await service.stop();
  });
});
