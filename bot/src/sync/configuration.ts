import type { Logger, Metrics, OpenRedis } from '@voiceoi/kernel';
import type { KeyRing } from '../keys/index.ts';
import type { BundleStore } from './bundle-store.ts';
import { RHYTHM, type Rhythm } from './follow.ts';
import { masterClient } from './master-client.ts';
import { type OrgSync, type OrgSyncStatus, startOrgSync } from './org-sync.ts';
import type { PlayableOrg } from './playable.ts';

/** One secret of an organization, opened, for whoever needs it by its name. */
export type SecretOf = (orgId: string, name: string) => string | undefined;

/** The configuration of every organization that this node serves. */
export interface Configuration {
  serves(orgId: string): boolean;
  /** The only organization, when there is one alone: calls may then leave theirs out. */
  readonly onlyOrg: string | undefined;
  /** What calls of an organization play now; undefined while there is none. */
  playable(orgId: string): PlayableOrg | undefined;
  /** An organization's secrets by name, opened; empty while there are none. Not to be written anywhere. */
  secrets(orgId: string): ReadonlyMap<string, string>;
  status(): readonly OrgSyncStatus[];
  stop(): Promise<void>;
}

interface ConfigurationOptions {
  readonly masterUrl: string;
  /** Those of the organizations that are served from the start. */
  readonly keys: KeyRing;
  readonly store: BundleStore;
  readonly bootstrap: unknown;
  readonly openRedis: OpenRedis;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** An organization has another revision to play. */
  readonly onApply: (orgId: string) => void;
  /** A node order came over the bus of an organization, as it came. */
  readonly onOrder: (orgId: string, order: unknown) => void;
  /** How often the master is asked; as sync-protocol.md says unless given. */
  readonly rhythm?: Rhythm;
}

/** The configuration of organizations that come and go. */
export interface RunningConfiguration extends Configuration {
  readonly secretOf: SecretOf;
  /** Serves an organization, if it does not already; resolves once what the disk holds of it is playable. */
  serve(orgId: string): Promise<void>;
  /** An organization has other keys. */
  keysChanged(orgId: string): void;
  /** Follows an organization no more. Calls in flight keep what they play. */
  leave(orgId: string): Promise<void>;
}

/** Starts the sync of each organization; resolves once what the disk holds is playable. */
export async function startConfiguration(options: ConfigurationOptions): Promise<RunningConfiguration> {
  const { keys } = options;
  const measure = syncMetrics(options.metrics);
  const start = (orgId: string): Promise<OrgSync> =>
    startOrgSync({
      keys: keys.of(orgId),
      source: masterClient({ masterUrl: options.masterUrl, keys: keys.of(orgId) }),
      store: options.store,
      bootstrap: bootstrapOf(options.bootstrap, orgId),
      log: options.log,
      openRedis: options.openRedis,
      rhythm: options.rhythm ?? RHYTHM,
      onApply: (applied, source, propagationSeconds) => {
        measure.applied(applied, source, propagationSeconds);
        const { orgId: org, revision, rejected } = applied;
        options.log.info(
          { org, revision, source, campaigns: applied.campaigns.size, rejected },
          'configuration applied',
        );
        options.onApply(org);
      },
      onOrder: (order) => options.onOrder(orgId, order),
    });
  const first = keys.organizations().map(async (orgId) => [orgId, await start(orgId)] as const);
  const syncs = new Map(await Promise.all(first));
  measure.ages(() => [...syncs.values()].map((sync) => sync.status()));
  return {
    serves: (orgId) => syncs.has(orgId) && keys.serves(orgId),
    get onlyOrg() {
      const [only, ...others] = keys.organizations();
      return others.length === 0 ? only : undefined;
    },
    secrets: (orgId) => syncs.get(orgId)?.secrets() ?? new Map(),
    secretOf: (orgId, name) => syncs.get(orgId)?.secrets().get(name),
    serve: async (orgId) => {
      if (!syncs.has(orgId)) syncs.set(orgId, await start(orgId));
    },
    keysChanged: (orgId) => syncs.get(orgId)?.keysChanged(),
    leave: async (orgId) => {
      const sync = syncs.get(orgId);
      syncs.delete(orgId);
      measure.forget(orgId);
      await sync?.stop();
    },
    playable: (orgId) => syncs.get(orgId)?.playable(),
    status: () => [...syncs.values()].map((sync) => sync.status()),
    stop: async () => void (await Promise.all([...syncs.values()].map((sync) => sync.stop()))),
  };
}

/** A bootstrap file holds one bundle, or a list of them. */
function bootstrapOf(value: unknown, orgId: string): unknown {
  const bundles: readonly unknown[] = Array.isArray(value) ? value : [value];
  return bundles.find(
    (bundle) => typeof bundle === 'object' && bundle !== null && 'org_id' in bundle && bundle.org_id === orgId,
  );
}

function syncMetrics(metrics: Metrics) {
  const propagation = metrics.histogram('voiceoi_sync_propagation_seconds', 'Change committed → applied on the node', [
    'org',
    'source',
  ]);
  const revision = metrics.gauge('voiceoi_config_revision', 'Revision that calls play', ['org']);
  const rejected = metrics.gauge('voiceoi_config_rejected', 'Script versions that this node does not play', ['org']);
  const age = metrics.gauge('voiceoi_config_age_seconds', 'Since the configuration was confirmed to be current', [
    'org',
  ]);
  return {
    applied: (
      { orgId: org, revision: applied, rejected: refused }: PlayableOrg,
      source: string,
      seconds: number | undefined,
    ): void => {
      revision.set({ org }, applied);
      rejected.set({ org }, refused.length);
      if (seconds !== undefined) propagation.observe({ org, source }, seconds);
    },
    forget: (org: string): void => {
      for (const gauge of [revision, rejected, age]) gauge.remove({ org });
    },
    ages: (statuses: () => readonly OrgSyncStatus[]): void => {
      Object.assign(age, {
        collect: () => {
          for (const { orgId: org, ageSeconds } of statuses()) age.set({ org }, ageSeconds);
        },
      });
    },
  };
}
