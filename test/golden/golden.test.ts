import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AgentRecord, CallEventRecord, CallRecord, CallStartRecord, NodeOrder, NodeStatus } from '@voiceoi/contracts';
import { type OrgKey, parseOrgKey, verifyChange } from '@voiceoi/kernel';
import { Compile } from 'typebox/compile';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readFrameFile } from '../../bot/src/spool/framing.ts';
import { readOrders } from '../../bot/src/status/drain-file.ts';
import { diskStore } from '../../bot/src/sync/disk-store.ts';
import { initialSyncState, syncStep } from '../../bot/src/sync/machine.ts';
import { makePlayable } from '../../bot/src/sync/playable.ts';

const FORMATS = readdirSync(import.meta.dirname).filter((name) => /^v\d+$/.test(name));
const never = () => 'forged' as const;

test('there is what the first version wrote', () => {
  expect(FORMATS).toContain('v1');
});

describe.each(FORMATS)('what %s wrote', (format) => {
  const path = (name: string): string => join(import.meta.dirname, format, name);
  const text = (name: string): string => readFileSync(path(name), 'utf8');
  const json = (name: string) => JSON.parse(text(name));
  const key = (): OrgKey => {
    const parsed = parseOrgKey(text('key.txt').trim());
    if (!parsed) throw new Error('key.txt holds no key');
    return parsed;
  };
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'voiceoi-golden-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is as it was then', () => {
    const sums = text('SHA256SUMS').trim().split('\n');
    expect(sums).toEqual(
      readdirSync(join(import.meta.dirname, format))
        .filter((name) => name !== 'SHA256SUMS')
        .map(
          (name) =>
            `${createHash('sha256')
              .update(readFileSync(path(name)))
              .digest('hex')}  ${name}`,
        ),
    );
  });

  test('is a bundle and a change that a node applies and plays', () => {
    const verify = (change: Parameters<typeof verifyChange>[1]) => (verifyChange(key(), change) ? 'valid' : 'forged');
    const first = syncStep(
      initialSyncState('abc'),
      { kind: 'bundle', bundle: json('bundle.json'), source: 'poll' },
      verify,
    );
    expect(first.actions).toMatchObject([{ kind: 'apply' }]);
    const { applied } = first.state;
    const playable = applied && makePlayable(applied.content, applied.sha256, undefined);
    expect(playable?.rejected).toEqual([]);
    expect([...(playable?.campaigns.keys() ?? [])]).toEqual(['123']);
    const next = syncStep(first.state, { kind: 'change', change: json('change.json'), source: 'redis' }, verify);
    expect(next.actions).toMatchObject([{ kind: 'apply' }]);
    expect(next.state.applied?.content.revision).toBe(json('change.json').to);
  });

  test('is a configuration on disk that a node starts with', async () => {
    copyFileSync(path('disk.bundle'), join(folder, 'abc.bundle'));
    const [kept] = await diskStore(folder).load('abc');
    const { actions } = syncStep(initialSyncState('abc'), { kind: 'bundle', bundle: kept, source: 'disk' }, never);
    expect(actions).toMatchObject([{ kind: 'apply', source: 'disk' }]);
  });

  test('is records that a node finds in its spool, and that the master takes', () => {
    const { records, end } = readFrameFile(readFileSync(path('spool.segment')));
    expect(end).toBe(readFileSync(path('spool.segment')).length);
    const lines = text('records.ndjson').trim().split('\n');
    expect(records.map(({ bytes }) => bytes.toString())).toEqual(lines.slice(0, 3));
    const schemas = [CallStartRecord, CallEventRecord, CallRecord, AgentRecord];
    for (const [index, schema] of schemas.entries())
      expect(Compile(schema).Check(JSON.parse(lines[index] ?? '')), `line ${index + 1}`).toBe(true);
  });

  test('is a status that the master takes, and orders that a node follows, also after a restart', async () => {
    expect(Compile(NodeStatus).Check(json('status.json'))).toBe(true);
    const order = json('order.json');
    expect(Compile(NodeOrder).Check(order)).toBe(true);
    expect(verifyChange(key(), order)).toBe(true);
    expect(await readOrders(path('drain.json'), 'node-1')).toMatchObject({ abc: { state: 'draining' } });
  });
});
