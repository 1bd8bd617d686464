import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { agentRecord } from '../../../test/services/records.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

const CALL = '01936f5e-0000-7000-8000-000000000000';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs', { id: 'xyz', name: 'XYZ' });
});
beforeEach(async () => {
  await one.database.query('DELETE FROM agent_state');
});
afterAll(() => one.stop());

async function send(...records: readonly object[]): Promise<void> {
  expect((await one.node('abc', 'POST', '/api/sync/logs', { records })).body.rejected).toEqual([]);
}
const list = async (query = '') => (await one.api('GET', `/api/orgs/abc/agents${query}`)).body;
const at = (minute: number): string => `2026-01-01T10:${String(minute).padStart(2, '0')}:00.000Z`;

describe('GET /api/orgs/{org}/agents', () => {
  test('tells what each agent does now, whatever order it was told in', async () => {
    await send(agentRecord({ state: 'ready', since: at(1) }));
    await send(agentRecord({ state: 'in_call', since: at(5), call_id: CALL, node_id: 'node-2' }));
    await send(agentRecord({ state: 'paused', since: at(3) }));
    const item = { agent: '1001', state: 'in_call', since: at(5), node_id: 'node-2', call_id: CALL };
    expect(await list()).toEqual({ items: [item], next_cursor: null });
    await send(agentRecord({ state: 'logged_out', since: at(6) }));
    expect((await list()).items).toEqual([{ agent: '1001', state: 'logged_out', since: at(6), node_id: 'node-1' }]);
  });

  test('tells the last of several states in one batch', async () => {
    const states = ['ready', 'in_call', 'paused'].map((state, index) => agentRecord({ state, since: at(9 - index) }));
    await send(...states);
    expect((await list()).items).toMatchObject([{ state: 'ready', since: at(9) }]);
  });

  test('does not let a clock that was wrong decide for years', async () => {
    await send(agentRecord({ state: 'paused', since: '9999-01-01T00:00:00.000Z' }));
    expect((await list()).items).toMatchObject([{ state: 'paused' }]);
    await send(agentRecord({ state: 'ready', since: at(1) }));
    await send(agentRecord({ state: 'in_call', since: '9998-01-01T00:00:00.000Z' }));
    expect((await list()).items).toMatchObject([{ state: 'ready' }]);
  });

  test('gives each agent once on pages, in the order of their names', async () => {
    const names = ['b', 'a', 'Z', '10', '9', 'ä', '{"x"}'];
    await send(...names.map((agent) => agentRecord({ agent })));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { agent: string }[]; next_cursor: string | null } = await list(
        `?limit=2${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...page.items.map(({ agent }) => agent));
      cursor = page.next_cursor;
    }
    expect(seen).toEqual([...names].sort());
  });

  test('shows no agent of another organization', async () => {
    await send(agentRecord());
    expect((await one.api('GET', '/api/orgs/xyz/agents')).body).toEqual({ items: [], next_cursor: null });
    expect((await one.api('GET', '/api/orgs/nobody/agents')).status).toBe(404);
  });
});
