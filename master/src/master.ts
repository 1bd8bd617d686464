import type { NodeOrder } from '@voiceoi/contracts';
import type { Logger, Metrics, Readiness, RedisAddress, RedisConnections } from '@voiceoi/kernel';
import { apiTokenRoutes, apiTokens, isApiToken } from './api-tokens/index.ts';
import { auditRoutes, originOf, withOrigin } from './audit/index.ts';
import { accessTokens, authRoutes, authService, ensureAdministrator } from './auth/index.ts';
import { type EventBus, startBus } from './bus/index.ts';
import { callRoutes } from './calls/index.ts';
import { campaignRoutes } from './campaigns/index.ts';
import { type Database, migrate, scopedDatabase } from './database/index.ts';
import { createGateway } from './gateway/index.ts';
import { startHousekeeping } from './housekeeping/index.ts';
import { type App, createApp } from './http/index.ts';
import { keyRoutes, type OrgKeys, orgKeys } from './keys/index.ts';
import { agentRoutes, logPartitions, logRoutes } from './logs/index.ts';
import { invitations, memberRoles, memberRoutes } from './members/index.ts';
import { nodeOrders, startNodes } from './nodes/index.ts';
import { organizationRoutes } from './organizations/index.ts';
import { type ScriptService, scriptRoutes, scriptService } from './scripts/index.ts';
import { atRest, secretRoutes, secretSource } from './secrets/index.ts';
import { serviceRoutes } from './service-routes.ts';
import type { ServiceSettings } from './settings.ts';
import { type Revisions, startSync } from './sync/index.ts';

interface MasterOptions {
  readonly settings: ServiceSettings;
  readonly database: Database;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Redis, and where nodes find it; without it they are fed over HTTP alone. */
  readonly redis?:
    | {
        readonly connections: RedisConnections;
        readonly address: RedisAddress;
        /** How often Redis is compared with the database. */
        readonly lookMs?: number;
      }
    | undefined;
}

/** A master that is put together; `listen` makes it answer. */
export interface Master {
  readonly app: App;
  readonly keys: OrgKeys;
  readonly scripts: ScriptService;
  readonly revisions: Revisions;
  /** Made on this start, with the password that is shown once. */
  readonly administrator: { readonly email: string; readonly password: string } | undefined;
  /** @throws the listening error, with its `code` */
  listen(): Promise<number>;
  ready(): Readiness;
  /** Not ready, no new requests, those in flight end within `DRAIN_SECONDS`. The database stays open: whoever opened it closes it. */
  stop(): Promise<void>;
}

/**
 * Migrates the database, makes the first administrator, and puts the API together.
 * @throws MigrationError, or the database's error when it cannot be reached
 */
export async function createMaster({ settings, database, log, metrics, redis }: MasterOptions): Promise<Master> {
  const applied = await migrate(database);
  if (applied.length > 0) log.info({ migrations: applied }, 'database migrated');
  await ensureInstance(database);
  const administrator = await ensureAdministrator(database, settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD);

  const retentionDays = settings.LOG_RETENTION_DAYS;
  const partitions = logPartitions(database);
  const housekeeping = startHousekeeping({ database, partitions, retentionDays, log });
  await housekeeping.look(Date.now());

  // Requests see rows of their organization alone; what the master does by itself sees all.
  const scoped = scopedDatabase(database);
  const keys = orgKeys(database, settings.SYNC_SECRET_SALT);
  const roles = memberRoles(database);
  const auth = authService({ database, tokens: accessTokens(settings.JWT_SECRET), memberships: roles.of, log });
  const isHttps = settings.PUBLIC_URL.startsWith('https:');
  const tokens = apiTokens(database);
  const orders = nodeOrders(database, keys.signing);
  const rest = atRest(settings.SYNC_SECRET_SALT);
  const secrets = secretSource({ rest, goodKeys: keys.good, log });
  const bus = redis ? startBus({ database, ...redis, goodKeys: keys.good, secrets, log, metrics }) : NO_BUS;
  const sync = startSync({
    database,
    signingKey: keys.signing,
    ordersAfter: orders.after,
    busOf: bus.busOf,
    secrets,
    onCommit: bus.wake,
    log,
  });
  const announce = (order: NodeOrder): void => {
    sync.announce(order);
    bus.announce(order.org_id, JSON.stringify(order));
  };
  const nodes = startNodes({ database: scoped.database, whole: database, orders, announce, log });
  const publicUrl = settings.PUBLIC_URL;
  const gateway = createGateway({ database: scoped.database, whole: database, keys, publicUrl, log, metrics });
  const changes = sync.revisions;
  const scripts = scriptService(database, changes);
  const app = await createApp({
    inScope: scoped.run,
    trustProxy: settings.TRUST_PROXY,
    asFrom: (request, work) => withOrigin(originOf(request), work),
    log,
    metrics,
    authenticators: {
      user: (bearer) => (isApiToken(bearer) ? tokens.authenticate(bearer) : auth.authenticate(bearer)),
      node: keys.authenticate,
      role: roles.in,
    },
    features: [
      serviceRoutes(),
      authRoutes(auth, isHttps),
      organizationRoutes(scoped.database, changes),
      memberRoutes(scoped.database, invitations({ database, auth, publicUrl: settings.PUBLIC_URL }), isHttps),
      auditRoutes(scoped.database),
      keyRoutes({ database: scoped.database, salt: settings.SYNC_SECRET_SALT, onChange: bus.keysChanged }),
      secretRoutes(scoped.database, changes, rest),
      apiTokenRoutes(scoped.database),
      campaignRoutes(scoped.database, changes),
      scriptRoutes(scoped.database, changes, scriptService(scoped.database, changes)),
      sync.routes,
      nodes.routes,
      gateway.routes,
      logRoutes({ database, partitions, retentionDays, metrics, log }),
      agentRoutes(scoped.database),
      callRoutes(scoped.database),
    ],
  });
  const health = watchDatabase(database);
  let isStopping = false;

  return {
    app,
    keys,
    scripts,
    revisions: changes,
    administrator,
    listen: async () => {
      await app.listen({ host: settings.HOST, port: settings.PORT });
      if (settings.GATEWAY_AGI_PORT !== undefined) {
        const agiPort = await gateway.listenForAgi(settings.HOST, settings.GATEWAY_AGI_PORT);
        log.info({ gateway_agi_port: agiPort }, 'the AGI gateway is listening');
      }
      const address = app.server.address();
      return typeof address === 'object' && address ? address.port : settings.PORT;
    },
    ready: () => {
      const reasons = [...(isStopping ? ['stopping'] : []), ...health.reasons()];
      return { ready: reasons.length === 0, reasons };
    },
    stop: async () => {
      isStopping = true;
      health.stop();
      sync.stop();
      nodes.stop();
      housekeeping.stop();
      const drainMs = settings.DRAIN_SECONDS * 1000;
      await Promise.all([Promise.race([app.close(), sleep(drainMs)]), gateway.stop(drainMs)]);
      gateway.close();
      // Behind the last commit, so that what can be published still is; the rest is found by the next master.
      await bus.stop();
    },
  };
}

const NO_BUS: EventBus = {
  busOf: async () => ({ kind: 'stream' }),
  wake: () => {},
  announce: () => {},
  keysChanged: async () => {},
  stop: async () => {},
};

/** The epoch is a random id made with the database: revisions compare only within one. */
async function ensureInstance(database: Database): Promise<void> {
  await database.query('INSERT INTO instance (epoch) VALUES ($1) ON CONFLICT DO NOTHING', [crypto.randomUUID()]);
}

const HEALTH_MS = 2_000;

/** Asks the database now and then whether it answers, so that `/readyz` costs nothing. */
function watchDatabase(database: Database): { reasons(): readonly string[]; stop(): void } {
  let answers = true;
  const look = async (): Promise<void> => {
    answers = await Promise.race([
      database.query('SELECT 1').then(() => true),
      sleep(HEALTH_MS).then(() => false),
    ]).catch(() => false);
  };
  const timer = setInterval(() => void look(), HEALTH_MS);
  return { reasons: () => (answers ? [] : ['the database does not answer']), stop: () => clearInterval(timer) };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
