import { VERSION } from '@voiceoi/kernel';

/** Ports that were opened. */
interface Ports {
  readonly port: number;
  readonly agiPort: number;
  readonly opsPort: number;
}

/** What the terminal shows once everything runs: where things are, and what to type next. `password` only on the start that generated it. */
export function welcome(
  settings: { readonly PUBLIC_URL: string; readonly ADMIN_EMAIL: string },
  { port: apiPort, agiPort, opsPort }: Ports,
  { orgId, campaignId }: { readonly orgId: string; readonly campaignId: string },
  password: string | undefined,
): string {
  const url = settings.PUBLIC_URL.replace(/:4000$/, `:${apiPort}`);
  const email = settings.ADMIN_EMAIL;
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
