import { labelBound, type Metrics } from '@voiceoi/kernel';

/** Records one measurement, in seconds, or counts. */
type Observe = (value: number) => void;

/** What calls are counted and timed with. Labels are bounded, and each combination is looked up once. */
export interface CallMetrics {
  firstCommand(org: string, campaign: string): Observe;
  turn(org: string, stepType: string): Observe;
  ended(org: string, campaign: string, outcome: string): void;
  refused(reason: string): void;
}

/** Distinct values that a label may have. */
const MOST_ORGS = 200;
const MOST_CAMPAIGNS = 500;

export function callMetrics(metrics: Metrics, activeCalls: () => number): CallMetrics {
  const firstCommand = metrics.histogram(
    'voiceoi_agi_first_command_seconds',
    'Connection accepted → first command written',
    ['org', 'campaign'],
  );
  const turns = metrics.histogram('voiceoi_agi_turn_seconds', 'Reply read → next command written', [
    'org',
    'step_type',
  ]);
  const total = metrics.counter('voiceoi_calls_total', 'Calls that have ended', ['org', 'campaign', 'outcome']);
  const refused = metrics.counter('voiceoi_calls_refused_total', 'Calls that were not taken', ['reason']);
  const active = metrics.gauge('voiceoi_calls_active', 'Calls in flight', []);
  Object.assign(active, { collect: () => active.set(activeCalls()) });
  const boundOrg = labelBound(MOST_ORGS);
  const boundCampaign = labelBound(MOST_CAMPAIGNS);
  const labels = (org: string, campaign: string) => {
    const bounded = boundCampaign(`${org}/${campaign}`);
    return { org: boundOrg(org), campaign: bounded === 'other' ? 'other' : campaign };
  };
  const ended = remembered((of, outcome) => {
    const [org = '', campaign = ''] = of.split(' ');
    const child = total.labels({ ...labels(org, campaign), outcome });
    return (count) => child.inc(count);
  });
  return {
    firstCommand: remembered((org, campaign) => {
      const child = firstCommand.labels(labels(org, campaign));
      return (seconds) => child.observe(seconds);
    }),
    turn: remembered((org, step_type) => {
      const child = turns.labels({ org: boundOrg(org), step_type });
      return (seconds) => child.observe(seconds);
    }),
    ended: (org, campaign, outcome) => ended(`${org} ${campaign}`, outcome)(1),
    refused: (reason) => refused.inc({ reason }),
  };
}

/** Remembers what was made for two words; there are as many as the bounded labels have values, and what is beyond is made anew. */
function remembered(make: (first: string, second: string) => Observe): (first: string, second: string) => Observe {
  const known = new Map<string, Observe>();
  return (first, second) => {
    const key = `${first} ${second}`;
    const found = known.get(key);
    if (found) return found;
    const made = make(first, second);
    if (known.size < MOST_CAMPAIGNS * 2) known.set(key, made);
    return made;
  };
}
