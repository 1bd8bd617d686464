import type { Logger } from '@voiceoi/kernel';
import type { KeyRing } from '../keys/index.ts';
import type { OrgSyncStatus } from '../sync/index.ts';
import type { DrainOrders } from './drain-orders.ts';
import { type NodeIdentity, type NodeNow, statusReport } from './report.ts';
import { REPORT_RHYTHM, type Reporter, type ReportRhythm, startReporter } from './reporter.ts';

interface StatusOptions {
  readonly masterUrl: string;
  /** Those of the organizations that are reported for from the start. */
  readonly keys: KeyRing;
  readonly identity: NodeIdentity;
  readonly drains: DrainOrders;
  readonly now: () => NodeNow;
  readonly organizations: () => readonly OrgSyncStatus[];
  readonly log: Logger;
  readonly rhythm?: ReportRhythm;
}

/** This node as the master sees it. */
export interface StatusReports {
  /** There is news of an organization, or, without one, of the node. */
  changed(orgId?: string): void;
  /** Reports for an organization that came, if it does not already. */
  serve(orgId: string): void;
  /** Reports no more for one that is no longer served. */
  leave(orgId: string): Promise<void>;
  stop(): Promise<void>;
}

/** Reports for each organization with its own key. Whatever the master does or does not answer, calls go on. */
export function startStatusReports(options: StatusOptions): StatusReports {
  const { masterUrl, keys, log, now, rhythm = REPORT_RHYTHM } = options;
  const url = `${masterUrl}/api/sync/status`;
  const reporters = new Map<string, Reporter>();
  const serve = (orgId: string): void => {
    if (reporters.has(orgId)) return;
    const ask = () => question(options, orgId);
    reporters.set(orgId, startReporter({ url, keys: keys.of(orgId), rhythm, log, ask }));
  };
  for (const orgId of keys.organizations()) serve(orgId);
  keys.onChange(({ renewed }) => {
    for (const orgId of renewed) reporters.get(orgId)?.retry();
  });
  const timer = setInterval(() => {
    const { active } = now().calls;
    for (const reporter of reporters.values()) if (reporter.toldCalls !== active) reporter.wake();
  }, rhythm.callsMs);
  return {
    changed: (orgId) => {
      if (orgId !== undefined) reporters.get(orgId)?.wake();
      else for (const reporter of reporters.values()) reporter.wake();
    },
    serve,
    leave: async (orgId) => {
      const reporter = reporters.get(orgId);
      reporters.delete(orgId);
      await reporter?.stop();
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all([...reporters.values()].map((reporter) => reporter.stop()));
    },
  };
}

function question(
  { identity, drains, now, organizations }: StatusOptions,
  orgId: string,
): ReturnType<Parameters<typeof startReporter>[0]['ask']> {
  const appliedThen = drains.applied(orgId);
  const sync = organizations().find((candidate) => candidate.orgId === orgId) ?? unknown(orgId);
  return {
    status: statusReport(identity, now(), sync, drains.isDraining(orgId)),
    onAnswer: ({ state }) => drains.answered(orgId, state, appliedThen),
  };
}

function unknown(orgId: string): OrgSyncStatus {
  const nothing = { epoch: undefined, applied: undefined, source: undefined, problem: undefined, rejected: [] };
  return { orgId, ageSeconds: Number.POSITIVE_INFINITY, ...nothing };
}
