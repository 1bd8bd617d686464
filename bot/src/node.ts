import { join } from 'node:path';
import type { Logger, Metrics, OpenRedis, Readiness } from '@voiceoi/kernel';
import { VERSION } from '@voiceoi/kernel';
import { type AgiServer, startAgiServer } from './agi/index.ts';
import { createDesk, killedRecord, type NodeDesk } from './calls/index.ts';
import { createKeyRing, type KeyRing } from './keys/index.ts';
import { createOutbound } from './outbound/index.ts';
import { advertised, type BotSettings, keysOf } from './settings.ts';
import { diskSpool } from './spool/index.ts';
import { type DrainOrders, drainOrders, type StatusReports, startStatusReports } from './status/index.ts';
import { type Configuration, diskStore, startConfiguration } from './sync/index.ts';
import { takeUpKeys } from './take-up-keys.ts';
import { startWebhookServer } from './webhook/index.ts';

interface BotOptions {
  readonly settings: BotSettings;
  /** Keys that may change while the node runs; those of the settings unless given. */
  readonly keys?: KeyRing;
  /** What `BOOTSTRAP_FILE` holds. */
  readonly bootstrap: unknown;
  readonly openRedis: OpenRedis;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A running bot node. */
export interface RunningBot {
  readonly agiPort: number;
  readonly httpPort: number;
  ready(): Readiness;
  /** `/state` of contract.md. */
  state(): unknown;
  /** Not ready, no new calls, calls in flight end, records are sent, all within the settings' times. */
  stop(): Promise<void>;
}

/**
 * Starts a bot node: configuration first, then the ports for calls, so that no call finds a node that does not know what its disk knows.
 * @throws the listening error, with its `code`
 */
export async function startBot(options: BotOptions): Promise<RunningBot> {
  const { settings, bootstrap, openRedis, log, metrics, keys = createKeyRing(keysOf(settings)) } = options;
  const sink = await diskSpool({
    folder: join(settings.DATA_DIR, 'spool'),
    masterUrl: settings.SYNC_MASTER_URL,
    keys,
    log,
    metrics,
    flushMs: settings.LOG_FLUSH_SECONDS * 1000,
    recordOfKilled: killedRecord,
  });
  let isStopping = false;
  // Begins to report once there is something to tell; nothing that comes before is lost, since the first status holds it.
  let reports: StatusReports | undefined;
  const drains = await drainOrders(
    {
      nodeId: settings.NODE_ID,
      keys,
      path: join(settings.DATA_DIR, 'drain.json'),
      log,
    },
    () => reports?.changed(),
  );
  const store = diskStore(join(settings.DATA_DIR, 'bundles'));
  const configuration = await startConfiguration({
    masterUrl: settings.SYNC_MASTER_URL,
    keys,
    store,
    bootstrap,
    openRedis,
    log,
    metrics,
    onApply: (orgId) => reports?.changed(orgId),
    onOrder: (orgId, order) => {
      // The master’s answer is worth as much as an order that this node has no key for.
      if (drains.take(orgId, order) === 'unknown_key') reports?.changed(orgId);
    },
  });
  let keyChanges: ReturnType<typeof takeUpKeys> | undefined;
  const outbound = createOutbound();
  const desk = createDesk({
    nodeId: settings.NODE_ID,
    configuration,
    sink,
    outbound,
    log,
    metrics,
    maxCalls: settings.MAX_CALLS,
    isDraining: (orgId) => drains.isDraining(orgId),
  });
  const close = async (): Promise<void> => {
    await keyChanges?.stop();
    await Promise.all([configuration.stop(), sink.stop(), reports?.stop()]);
    await drains.saved();
    outbound.close();
    desk.close();
  };
  const agi = await startAgiServer({
    host: settings.HOST,
    port: settings.AGI_PORT,
    desk,
    allowedCidrs: settings.AGI_ALLOWED_CIDRS,
    log,
    metrics,
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const webhooks = await startWebhookServer({
    host: settings.HOST,
    port: settings.HTTP_PORT,
    desk,
    keysOf: (orgId) => (keys.serves(orgId) ? keys.of(orgId).held() : []),
    secretOf: configuration.secretOf,
    advertiseUrl: (http) => advertised(settings, { agi: agi.port, http }).advertise_url,
    log,
    metrics,
  }).catch(async (error: unknown) => {
    await Promise.all([agi.close(), close()]);
    throw error;
  });
  reports = startStatusReports({
    masterUrl: settings.SYNC_MASTER_URL,
    keys,
    identity: {
      node_id: settings.NODE_ID,
      pool: settings.POOL,
      version: VERSION,
      started_at: new Date().toISOString(),
      ...advertised(settings, { agi: agi.port, http: webhooks.port }),
    },
    drains,
    now: () => ({
      calls: { active: desk.activeCalls, capacity: settings.MAX_CALLS },
      state: stateOf(drains, isStopping),
      spool: sink.stats(),
    }),
    organizations: configuration.status,
    log,
  });

  keyChanges = takeUpKeys({ keys, sink, configuration, reports, log });

  const stop = async (): Promise<void> => {
    isStopping = true;
    reports?.changed();
    await sleep(settings.ANNOUNCE_SECONDS * 1000);
    desk.stopTaking();
    await desk.idle(settings.DRAIN_SECONDS * 1000);
    desk.cutAll('the node has ended', CUT_MS);
    await desk.idle(CUT_MS + 1000);
    await Promise.all([agi.close(), webhooks.close()]);
    await desk.idle(1000);
    await sink.flush(settings.FLUSH_SECONDS * 1000);
    await close();
  };

  return {
    agiPort: agi.port,
    httpPort: webhooks.port,
    ready: () => readiness({ keys, configuration, drains }, isStopping),
    state: () => nodeState(settings, { keys, configuration, desk, agi, drains }, isStopping),
    stop,
  };
}

function readiness(
  { keys, configuration, drains }: Pick<Parts, 'keys' | 'configuration' | 'drains'>,
  isStopping: boolean,
): Readiness {
  const all = keys.organizations();
  const statuses = new Map(configuration.status().map((status) => [status.orgId, status]));
  const missing = all.filter((orgId) => statuses.get(orgId)?.applied === undefined);
  const why = (orgId: string): string => {
    const problem = statuses.get(orgId)?.problem;
    return `no configuration of ${orgId} yet${problem ? `: ${problem}` : ''}`;
  };
  const reasons = [
    ...(all.length === 0 ? ['no organization’s key yet'] : []),
    ...(isStopping ? ['stopping'] : []),
    ...(drains.drainsAll() ? ['ordered to drain'] : []),
    ...missing.map(why),
  ];
  return { ready: reasons.length === 0, reasons };
}

/** How long calls that outlast `DRAIN_SECONDS` have to be given back to the dialplan. */
const CUT_MS = 2000;

/** A node that drains for all that it serves is as good as one that is ending. */
function stateOf(drains: DrainOrders, isStopping: boolean): 'active' | 'draining' {
  return isStopping || drains.drainsAll() ? 'draining' : 'active';
}

interface Parts {
  readonly keys: KeyRing;
  readonly configuration: Configuration;
  readonly desk: NodeDesk;
  readonly agi: AgiServer;
  readonly drains: DrainOrders;
}

function nodeState(settings: BotSettings, parts: Parts, isStopping: boolean): unknown {
  const { configuration, desk, agi, drains } = parts;
  return {
    node_id: settings.NODE_ID,
    pool: settings.POOL,
    version: VERSION,
    state: stateOf(drains, isStopping),
    ready: readiness(parts, isStopping).ready,
    calls: { active: desk.activeCalls, capacity: settings.MAX_CALLS, oldest_seconds: Math.round(desk.oldestSeconds()) },
    connections: agi.connections(),
    organizations: configuration.status().map(({ orgId, epoch, applied, ageSeconds, source }) => ({
      org_id: orgId,
      epoch: epoch ?? null,
      applied: applied ?? null,
      age_seconds: Number.isFinite(ageSeconds) ? Math.round(ageSeconds) : null,
      source: source ?? null,
      state: drains.isDraining(orgId) ? 'draining' : 'active',
    })),
  };
}

function sleep(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
