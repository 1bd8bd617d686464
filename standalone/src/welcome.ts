import { VERSION } from '@voiceoi/kernel';

interface Welcome {
  readonly url: string;
  readonly email: string;
  /** Only on the start that generated it. */
  readonly password: string | undefined;
  readonly agiPort: number;
  readonly opsPort: number;
  readonly orgId: string;
  readonly campaignId: string;
}

/** What the terminal shows once everything runs: where things are, and what to type next. */
export function welcome({ url, email, password, agiPort, opsPort, orgId, campaignId }: Welcome): string {
  const row = (name: string, value: string): string => `  ${name.padEnd(12)}${value}`;
  const port = agiPort === 4573 ? '' : ` --port ${agiPort}`;
  return [
    '',
    `VoiceOI ${VERSION} is running.`,
    '',
    row('API', `${url}/api/docs`),
    row('Sign in as', email),
    ...(password ? [row('Password', `${password}   (shown this once: keep it)`)] : []),
    row('Dialplan', `AGI(agi://localhost:${agiPort}/agi, campaign_id=${campaignId}, org_id=${orgId})`),
    row('Metrics', `http://localhost:${opsPort}/metrics`),
    '',
    'Place a call without an Asterisk, in another terminal:',
    '',
    `  npm run call -- --org ${orgId} --campaign ${campaignId} --keys 1${port}`,
    '',
    'Ctrl-C stops it; what you have made is kept.',
    '',
  ].join('\n');
}
