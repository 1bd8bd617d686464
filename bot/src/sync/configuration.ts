import type { Logger, Metrics, OpenRedis, OrgKey } from '@voiceoi/kernel';
import type { BundleStore } from './bundle-store.ts';
import { RHYTHM, type Rhythm } from './follow.ts';
import { masterClient } from './master-client.ts';
import { type OrgSync, type OrgSyncStatus, startOrgSync } from './org-sync.ts';
import type { PlayableOrg } from './playable.ts';

/** The configuration of every organization that this node serves. */
export interface Configuration {
  serves(orgId: string): boolean;
  /** The only organization, when there is one alone: calls may then leave theirs out. */
  readonly onlyOrg: string | undefined;
  /** What calls of an organization play now; undefined while there is none. */
  playable(orgId: string): PlayableOrg | undefined;
  status(): readonly OrgSyncStatus[];
  stop(): Promise<void>;
}

interface ConfigurationOptions {
  readonly masterUrl: string;
  /** Keys as text and taken apart, one for each organization. */
  readonly keys: readonly { readonly text: string; readonly key: OrgKey }[];
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

/** Starts the sync of each organization; resolves once what the disk holds is playable. */
export async function startConfiguration(options: ConfigurationOptions): Promise<Configuration> {
  const measure = syncMetrics(options.metrics);
  const start = ({ text, key }: ConfigurationOptions['keys'][number]): Promise<OrgSync> =>
    startOrgSync({
      key,
      source: masterClient({ masterUrl: options.masterUrl, orgId: key.orgId, key: text }),
      store: options.store,
      bootstrap: bootstrapOf(options.bootstrap, key.orgId),
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
      onOrder: (order) => options.onOrder(key.orgId, order),
    });
  const entries = await Promise.all(options.keys.map(async (key) => [key.key.orgId, await start(key)] as const));
  const syncs = new Map(entries);
  measure.ages(() => [...syncs.values()].map((sync) => sync.status()));
  return {
    serves: (orgId) => syncs.has(orgId),
    onlyOrg: syncs.size === 1 ? entries[0]?.[0] : undefined,
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
    ages: (statuses: () => readonly OrgSyncStatus[]): void => {
      Object.assign(age, {
        collect: () => {
          for (const { orgId: org, ageSeconds } of statuses()) age.set({ org }, ageSeconds);
        },
      });
    },
  };
}
