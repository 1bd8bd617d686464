import { join } from 'node:path';
import type { Logger, Metrics, Readiness } from '@voiceoi/kernel';
import { VERSION } from '@voiceoi/kernel';
import { type AgiServer, startAgiServer } from './agi/index.ts';
import { createDesk, killedRecord, type NodeDesk } from './calls/index.ts';
import { createOutbound } from './outbound/index.ts';
import { type BotSettings, keysOf } from './settings.ts';
import { diskSpool } from './spool/index.ts';
import { type Configuration, diskStore, startConfiguration } from './sync/index.ts';

interface BotOptions {
  readonly settings: BotSettings;
  /** What `BOOTSTRAP_FILE` holds. */
  readonly bootstrap: unknown;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** A running bot node. */
export interface RunningBot {
  readonly agiPort: number;
  ready(): Readiness;
  /** `/state` of contract.md. */
  state(): unknown;
  /** Not ready, no new calls, calls in flight end, records are sent, all within the settings' times. */
  stop(): Promise<void>;
}

/**
 * Starts a bot node: configuration first, then the AGI port, so that no call finds a node that does not know what its disk knows.
 * @throws the listening error, with its `code`
 */
export async function startBot({ settings, bootstrap, log, metrics }: BotOptions): Promise<RunningBot> {
  const keys = keysOf(settings);
  const sink = await diskSpool({
    folder: join(settings.DATA_DIR, 'spool'),
    masterUrl: settings.SYNC_MASTER_URL,
    keys: new Map(keys.map(({ text, key }) => [key.orgId, text])),
    log,
    metrics,
    flushMs: settings.LOG_FLUSH_SECONDS * 1000,
    recordOfKilled: killedRecord,
  });
  const store = diskStore(join(settings.DATA_DIR, 'bundles'));
  const configuration = await startConfiguration({
    masterUrl: settings.SYNC_MASTER_URL,
    keys,
    store,
    bootstrap,
    log,
    metrics,
  });
  const outbound = createOutbound();
  const desk = createDesk({
    nodeId: settings.NODE_ID,
    configuration,
    sink,
    outbound,
    log,
    metrics,
    maxCalls: settings.MAX_CALLS,
  });
  const close = async (): Promise<void> => {
    await Promise.all([configuration.stop(), sink.stop()]);
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
  let isStopping = false;

  const stop = async (): Promise<void> => {
    isStopping = true;
    await sleep(settings.ANNOUNCE_SECONDS * 1000);
    desk.stopTaking();
    await desk.idle(settings.DRAIN_SECONDS * 1000);
    desk.cutAll('the node has ended', CUT_MS);
    await desk.idle(CUT_MS + 1000);
    await agi.close();
    await desk.idle(1000);
    await sink.flush(settings.FLUSH_SECONDS * 1000);
    await close();
  };

  return {
    agiPort: agi.port,
    ready: () => readiness(configuration, isStopping),
    state: () => nodeState(settings, configuration, desk, agi, isStopping),
    stop,
  };
}

function readiness(configuration: Configuration, isStopping: boolean): Readiness {
  const all = configuration.status();
  const missing = all.filter(({ applied }) => applied === undefined);
  const reasons = [
    ...(all.length === 0 ? ['no organization’s key yet'] : []),
    ...(isStopping ? ['stopping'] : []),
    ...missing.map(({ orgId, problem }) => `no configuration of ${orgId} yet${problem ? `: ${problem}` : ''}`),
  ];
  return { ready: reasons.length === 0, reasons };
}

/** How long calls that outlast `DRAIN_SECONDS` have to be given back to the dialplan. */
const CUT_MS = 2000;
/** Confirmations that may be missed before a configuration is called stale (sync-protocol.md): three polls. */
const STALE_SECONDS = 180;

function nodeState(
  settings: BotSettings,
  configuration: Configuration,
  desk: NodeDesk,
  agi: AgiServer,
  isStopping: boolean,
): unknown {
  return {
    node_id: settings.NODE_ID,
    pool: settings.POOL,
    version: VERSION,
    state: isStopping ? 'draining' : 'active',
    ready: readiness(configuration, isStopping).ready,
    calls: { active: desk.activeCalls, capacity: settings.MAX_CALLS, oldest_seconds: Math.round(desk.oldestSeconds()) },
    connections: agi.connections(),
    organizations: configuration.status().map(({ orgId, epoch, applied, ageSeconds, source }) => ({
      org_id: orgId,
      epoch: epoch ?? null,
      applied: applied ?? null,
      age_seconds: Number.isFinite(ageSeconds) ? Math.round(ageSeconds) : null,
      source: source ?? null,
      state: applied === undefined ? 'waiting' : ageSeconds > STALE_SECONDS ? 'stale' : 'current',
    })),
  };
}

function sleep(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
