import type { Metrics } from '@voiceoi/kernel';
import type { Configuration } from '../sync/index.ts';
import { type Admitted, admit, type Refused } from './admission.ts';
import { Call, type CallServices } from './call.ts';
import { callMetrics } from './metrics.ts';
import type { Admission, CallDesk, IncomingCall } from './ports.ts';
import { callRecord } from './records.ts';
import { TurnCalls } from './turn-calls.ts';
import type { TurnDesk } from './turn-ports.ts';
import { uuidv7 } from './uuid.ts';

interface DeskOptions extends Omit<CallServices, 'metrics' | 'secretsOf'> {
  readonly configuration: Configuration;
  readonly metrics: Metrics;
  readonly maxCalls: number;
  /** Whether the node was ordered to take no new calls of an organization. */
  readonly isDraining: (orgId: string) => boolean;
}

/** The desk with what a node asks of it. */
export interface NodeDesk extends CallDesk, TurnDesk {
  readonly activeCalls: number;
  /** Seconds since the oldest call in flight began; 0 without calls. */
  oldestSeconds(): number;
  /** From now on no new call is taken. */
  stopTaking(): void;
  /** Resolves when no call is in flight, or after `withinMs`. */
  idle(withinMs: number): Promise<void>;
  /** Gives the calls that are still in flight back to the dialplan as `failed`, within this time. */
  cutAll(reason: string, withinMs: number): void;
  close(): void;
}

type RefusedAdmission = Extract<Admission, { kind: 'refused' }>;

/** Time limits of calls are looked at this often. */
const SWEEP_MS = 250;

/** Takes or refuses calls, and knows those in flight. */
export function createDesk(options: DeskOptions): NodeDesk {
  const { configuration, maxCalls } = options;
  const calls = new Set<Call>();
  const metrics = callMetrics(options.metrics, () => inFlight());
  const services: CallServices = {
    nodeId: options.nodeId,
    sink: options.sink,
    outbound: options.outbound,
    secretsOf: configuration.secrets,
    log: options.log,
    metrics,
  };
  const onIdle = new Set<() => void>();
  const tellIdle = (): void => {
    if (inFlight() === 0) for (const resolve of onIdle) resolve();
  };
  const turns = new TurnCalls(services, (orgId) => configuration.playable(orgId), tellIdle);
  const inFlight = (): number => calls.size + turns.active;
  let isTaking = true;

  const sweep = setInterval(() => {
    const now = performance.now();
    for (const call of calls) call.sweep(now);
    turns.sweep(now);
  }, SWEEP_MS);

  const decide = (incoming: IncomingCall, callId: string): Admitted | RefusedAdmission => {
    const view = {
      ...configurationView(configuration),
      activeCalls: inFlight(),
      maxCalls,
      isTakingCalls: isTaking,
      isDraining: options.isDraining,
      nodeId: options.nodeId,
    };
    const admitted = admit(incoming, callId, view);
    if (admitted.kind === 'admitted') return admitted;
    refuse(callId, incoming, admitted, services);
    const settled = admitted.orgId === undefined ? undefined : services.sink.settled(admitted.orgId);
    return { kind: 'refused', reason: admitted.reason, detail: admitted.detail, ...(settled && { settled }) };
  };

  const admission = (incoming: IncomingCall): Admission => {
    const callId = uuidv7();
    const admitted = decide(incoming, callId);
    if (admitted.kind === 'refused') return admitted;
    const call = new Call(callId, incoming, admitted, services);
    calls.add(call);
    const run: Extract<Admission, { kind: 'taken' }>['run'] = async (channel) => {
      await call.run(channel).finally(() => calls.delete(call));
      tellIdle();
    };
    return { kind: 'taken', run };
  };

  return {
    admit: admission,
    begin: (incoming) => {
      const callId = uuidv7();
      const admitted = decide(incoming, callId);
      return admitted.kind === 'refused' ? admitted : turns.begin(callId, incoming, admitted);
    },
    resume: (orgId, saved) => turns.resume(orgId, saved),
    get activeCalls() {
      return inFlight();
    },
    oldestSeconds: () => {
      const [oldest] = calls;
      const since = Math.min(oldest?.acceptedAt ?? Number.POSITIVE_INFINITY, turns.oldestAcceptedAt());
      return Number.isFinite(since) ? (performance.now() - since) / 1000 : 0;
    },
    stopTaking: () => {
      isTaking = false;
    },
    idle: (withinMs) => whenIdle(inFlight, onIdle, withinMs),
    cutAll: (reason, withinMs) => {
      for (const call of calls) call.cut(reason, withinMs);
      turns.cutAll(reason);
    },
    close: () => clearInterval(sweep),
  };
}

function configurationView(configuration: Configuration): Pick<Configuration, 'onlyOrg' | 'serves' | 'playable'> {
  return { onlyOrg: configuration.onlyOrg, serves: configuration.serves, playable: configuration.playable };
}

function whenIdle(inFlight: () => number, onIdle: Set<() => void>, withinMs: number): Promise<void> {
  if (inFlight() === 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      onIdle.delete(done);
      resolve();
    };
    const timer = setTimeout(done, withinMs);
    onIdle.add(done);
  });
}

/** A refused call of a known organization leaves a record; others are only counted. */
function refuse(
  callId: string,
  incoming: IncomingCall,
  refused: Refused,
  { nodeId, sink, metrics, log }: CallServices,
): void {
  metrics.refused(refused.reason);
  log.info(
    { org: incoming.org_id?.slice(0, 64), campaign: incoming.campaign_id?.slice(0, 64), reason: refused.reason },
    'call refused',
  );
  if (refused.orgId === undefined) return;
  const identity = {
    callId,
    orgId: refused.orgId,
    nodeId,
    campaignId: (incoming.campaign_id ?? '').slice(0, 128),
    scriptId: undefined,
    version: undefined,
    isCanary: false,
    caller: incoming.caller.number,
    startedAtMs: Date.now(),
  };
  const times = {
    answeredAtMs: undefined,
    durationMs: performance.now() - incoming.accepted_at,
    firstCommandMs: undefined,
    slowestTurnMs: undefined,
  };
  sink.append(refused.orgId, [
    callRecord(identity, { outcome: 'refused', reason: refused.reason }, times, 0, incoming.lead['id']),
  ]);
}
