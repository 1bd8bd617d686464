import { type CallOptions, HELP, readOptions } from './options.ts';
import { type PeerResult, placeCall } from './peer.ts';
import { type Percentiles, type Summary, Tally } from './summary.ts';

try {
  const options = readOptions(process.argv.slice(2));
  if (options === 'help') console.log(HELP);
  else process.exitCode = options.calls === 1 ? await one(options) : await many(options);
} catch (error) {
  console.error(`${error instanceof Error ? error.message : error}\n\nnpm run call -- --help explains the options.`);
  process.exitCode = 2;
}

function place(options: CallOptions, dialogue: boolean): Promise<PeerResult> {
  const { caller, callerName, ...rest } = options;
  return placeCall({
    ...rest,
    dialogue,
    ...(caller !== undefined && { caller }),
    ...(callerName !== undefined && { callerName }),
  });
}

/** Shows one call as it went. */
async function one(options: CallOptions): Promise<number> {
  const result = await place(options, true);
  if (options.json) console.log(JSON.stringify(result));
  else {
    const environment = result.dialogue.filter(({ text }) => text.startsWith('agi_'));
    if (environment.length > 0)
      console.log(
        `          asterisk  ${environment.length} lines of environment, ${environment.at(-1)?.text.trim()} the last`,
      );
    for (const { atMs, from, text } of result.dialogue)
      if (!text.startsWith('agi_')) console.log(`${atMs.toFixed(1).padStart(8)}  ${from.padEnd(8)}  ${text}`);
    console.log(ending(options, result));
  }
  return taken(result) ? 0 : 1;
}

function ending(options: CallOptions, result: PeerResult): string {
  if (result.agistatus === 'UNREACHABLE') return unreachable(options);
  const first =
    result.first_command_ms === undefined ? '' : `, first command after ${result.first_command_ms.toFixed(1)} ms`;
  const turns = result.turns_ms.length === 0 ? '' : `, slowest turn ${Math.max(...result.turns_ms).toFixed(1)} ms`;
  const outcome =
    result.outcome === undefined
      ? ''
      : `  outcome ${result.outcome}${result.disposition ? `, disposition ${result.disposition}` : ''}`;
  return `\nAGISTATUS ${result.agistatus}${outcome}${first}${turns}${result.call_id ? `\ncall ${result.call_id}` : ''}`;
}

function unreachable({ host, port }: CallOptions): string {
  return `Nobody listens at ${host}:${port}. Is VoiceOI running? \`make run\` starts it.`;
}

/** Places many calls, so many at a time, and adds them up. */
async function many(options: CallOptions): Promise<number> {
  const tally = new Tally();
  let started = 0;
  let refused = 0;
  let stop = false;
  const progress = options.json
    ? undefined
    : setInterval(() => process.stderr.write(`\r${tally.calls} of ${options.calls} calls`), 500);
  const worker = async (): Promise<void> => {
    while (started++ < options.calls && !stop) {
      const result = await place(options, false);
      tally.add(result);
      if (!taken(result)) refused++;
      if (result.agistatus === 'UNREACHABLE') stop = true;
      if (options.json) console.log(JSON.stringify({ ...result, dialogue: undefined }));
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.concurrency, options.calls) }, worker));
  clearInterval(progress);
  const summary = tally.summary();
  if (options.json) console.log(JSON.stringify({ summary }));
  else console.log(`\r${describe(summary)}`);
  if (stop) console.error(unreachable(options));
  return refused === 0 ? 0 : 1;
}

function taken({ agistatus }: PeerResult): boolean {
  return agistatus === 'SUCCESS' || agistatus === 'HANGUP';
}

function describe(summary: Summary): string {
  const counts = (values: { readonly [name: string]: number }): string =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  const times = (values: Percentiles | undefined): string =>
    values ? `p50 ${values.p50}  p90 ${values.p90}  p99 ${values.p99}  max ${values.max} ms` : 'none';
  return [
    `${summary.calls} calls in ${summary.seconds} s: ${summary.calls_per_second} calls/s`,
    `  AGISTATUS      ${counts(summary.agistatus)}`,
    `  outcome        ${counts(summary.outcome)}`,
    `  first command  ${times(summary.first_command_ms)}`,
    `  turn           ${times(summary.turn_ms)}`,
  ].join('\n');
}
