import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, type Standalone, startStandalone } from '../services/standalone.ts';

const run = promisify(execFile);
const RIG = process.env['VOICEOI_ASTERISK_RIG'];

/** What the rig reports of one call. */
interface RigCall {
  readonly agistatus: string | null;
  readonly continued: boolean;
  readonly call_id: string | null;
  readonly outcome: string | null;
  readonly disposition: string | null;
  readonly transferred: string | null;
  readonly tries?: number;
}

let standalone: Standalone;

async function place(version: string, words: readonly string[]): Promise<readonly RigCall[]> {
  const agi = ['--agi', `127.0.0.1:${standalone.agiPort}`];
  const { stdout } = await run(join(RIG ?? '', 'call.py'), ['--asterisk', version, ...agi, '--json', ...words], {
    maxBuffer: 1 << 26,
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((line) => !('summary' in line));
}

describe.skipIf(!RIG)('a real Asterisk (VOICEOI_ASTERISK_RIG)', () => {
  beforeAll(async () => {
    standalone = await startStandalone();
  });
  afterAll(() => standalone?.stop());

  describe.each(['16', '22'])('%s', (version) => {
    test('plays the demo on the contract’s dialplan line, and the call can be read with its steps', async () => {
      const [call] = await place(version, ['--keys', '1', '--delay', '2', '1000']);
      expect(call).toMatchObject({ agistatus: 'SUCCESS', outcome: 'completed' });
      const stored = await eventually(
        () => standalone.api('GET', `/api/orgs/abc/calls/${call?.call_id}`),
        (answer) => answer.status === 200 && answer.body.events.length === answer.body.steps,
      );
      expect(stored.body).toMatchObject({
        campaign_id: '123',
        version: 1,
        outcome: 'completed',
        disposition: call?.disposition,
      });
      expect(stored.body.events.length).toBeGreaterThan(2);
      expect(stored.body.events[0]).toMatchObject({ seq: 0, step_type: 'answer', outcome: 'done' });
    });

    test.each(['1001', '1003'])('finds the campaign in extension %s too', async (extension) => {
      const [call] = await place(version, ['--hangup-after', '1', extension]);
      expect(call?.call_id).toMatch(/^[0-9a-f-]{36}$/);
    });

    test('is told of a campaign that nobody has, so that the dialplan can go on elsewhere', async () => {
      const [call] = await place(version, ['1006']);
      expect(call).toMatchObject({ agistatus: 'FAILURE', continued: true, call_id: null });
    });

    test('fails over from a dead node to a living one', async () => {
      const words = [
        '--agi',
        '127.0.0.1:1',
        '--agi2',
        `127.0.0.1:${standalone.agiPort}`,
        '--keys',
        '1',
        '--delay',
        '2',
        '1061',
      ];
      const [call] = await place(version, words);
      expect(call).toMatchObject({ agistatus: 'SUCCESS', tries: 2, outcome: 'completed' });
    });

    test('hangs up in the middle, and the call is recorded as that', async () => {
      const [call] = await place(version, ['--hangup-after', '1', '1000']);
      expect(call).toMatchObject({ agistatus: 'HANGUP' });
      const stored = await eventually(
        () => standalone.api('GET', `/api/orgs/abc/calls/${call?.call_id}`),
        (answer) => answer.status === 200,
      );
      expect(stored.body.outcome).toBe('caller_hangup');
    });

    test('places a hundred calls at once, and each is recorded once', async () => {
      const calls = await place(version, [
        '--calls',
        '100',
        '--concurrency',
        '50',
        '--keys',
        '1',
        '--delay',
        '2',
        '1000',
      ]);
      expect(calls).toHaveLength(100);
      const ids = new Set(calls.map((call) => call.call_id));
      expect(ids.size).toBe(100);
      expect(calls.filter((call) => call.agistatus !== 'SUCCESS')).toEqual([]);
    });
  });
});
