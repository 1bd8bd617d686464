import type { Logger } from '@voiceoi/kernel';
import type { KeyRing } from './keys/index.ts';
import type { DiskSpool } from './spool/index.ts';
import type { StatusReports } from './status/index.ts';
import type { RunningConfiguration } from './sync/index.ts';

interface NodeParts {
  readonly keys: KeyRing;
  readonly sink: Pick<DiskSpool, 'serve'>;
  readonly configuration: Pick<RunningConfiguration, 'serve' | 'leave' | 'keysChanged' | 'status'>;
  readonly reports: Pick<StatusReports, 'serve' | 'leave' | 'changed'>;
  readonly log: Logger;
}

/**
 * Carries each change of the keys through the node: organizations that came are served, those that went are left, without a restart. One change
 * after the other, each towards what the ring holds by then. New calls of one that went are refused at once; those in flight end by themselves, and
 * their records are sent.
 */
export function takeUpKeys({ keys, sink, configuration, reports, log }: NodeParts): { stop(): Promise<void> } {
  let running = Promise.resolve();
  let isStopped = false;

  const settle = async (orgId: string): Promise<void> => {
    if (isStopped) return;
    if (!keys.serves(orgId)) {
      await Promise.all([configuration.leave(orgId), reports.leave(orgId)]);
      return;
    }
    // Records before calls.
    await sink.serve(orgId);
    await configuration.serve(orgId);
    reports.serve(orgId);
    // A node that drains for all it serves, or no longer for all, says so to each.
    reports.changed();
  };
  keys.onChange(({ added, removed, renewed }) => {
    log.info({ added, removed, renewed }, 'the organization keys of this node have changed');
    for (const orgId of renewed) configuration.keysChanged(orgId);
    for (const orgId of [...added, ...removed])
      running = running
        .then(() => settle(orgId))
        .catch((error: unknown) => log.error({ err: error, org: orgId }, 'a change of keys was not taken up'));
  });
  return {
    stop: async () => {
      isStopped = true;
      await running;
    },
  };
}
