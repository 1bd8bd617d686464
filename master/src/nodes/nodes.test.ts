import type { NodeOrder } from '@voiceoi/contracts';
import { parseOrgKey, verifyChange } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import type { Master } from '../master.ts';
import { forgetLostNodes } from './store.ts';

let one: TestMaster;
let port: number;
let second: Master;
let secondPort: number;
let epoch: string;
beforeAll(async () => {
  one = await startTestMaster();
  port = await one.master.listen();
  second = await one.another();
  secondPort = await second.listen();
});
afterAll(() => one.stop());

let made = 0;
/** A new organization with so many revisions. */
async function newOrg(revisions = 0): Promise<string> {
  const id = `org-${made++}`;
  expect((await one.api('POST', '/api/orgs', { id, name: id })).status).toBe(201);
  for (let revision = 1; revision <= revisions; revision++)
    await one.api('PATCH', `/api/orgs/${id}`, { settings: { gateway_requests_per_second: revision } });
  epoch = (await one.node(id, 'GET', `/api/sync/campaigns?org_id=${id}`)).body.epoch;
  return id;
}

const entry = (orgId: string, changes: object = {}) => ({
  org_id: orgId,
  epoch,
  applied: 0,
  age_seconds: 1.5,
  source: 'stream',
  state: 'active',
  rejected: [],
  ...changes,
});
const status = (orgId: string, changes: object = {}, ofOrg: object = {}) => ({
  node_id: 'n1',
  pool: 'default',
  version: '1.2.3',
  started_at: '2026-11-24T08:25:21.123Z',
  advertise_url: 'http://10.0.0.1:4580',
  advertise_agi: '10.0.0.1:4573',
  calls: { active: 3, capacity: 100 },
  state: 'active',
  organizations: [entry(orgId, ofOrg)],
  spool: { bytes: 0, dropped: 0, dead_letters: 0 },
  ...changes,
});
const report = (orgId: string, changes: object = {}, ofOrg: object = {}) =>
  one.node(orgId, 'POST', '/api/sync/status', status(orgId, changes, ofOrg));
const node = async (orgId: string, id = 'n1') => (await one.api('GET', `/api/orgs/${orgId}/nodes/${id}`)).body;
const silentFor = (orgId: string, interval: string) =>
  one.database.query(`UPDATE node_status SET last_seen_at = now() - interval '${interval}' WHERE org_id = $1`, [orgId]);

describe('a node that reports', () => {
  test('is told its state and the newest revision, and is shown with all that it said of this organization', async () => {
    const org = await newOrg(3);
    const rejected = [{ kind: 'script', id: 's', version: 4, code: 'SCHEMA', message: 'x' }];
    const answer = await report(org, {}, { applied: 1, rejected });
    expect(answer).toMatchObject({
      status: 200,
      body: { organizations: [{ org_id: org, state: 'active', revision: 3 }] },
    });
    expect(await node(org)).toEqual({
      node_id: 'n1',
      pool: 'default',
      version: '1.2.3',
      started_at: '2026-11-24T08:25:21.123Z',
      advertise_url: 'http://10.0.0.1:4580',
      advertise_agi: '10.0.0.1:4573',
      calls: { active: 3, capacity: 100 },
      last_seen_at: expect.stringMatching(/^\d{4}-.*Z$/),
      state: 'active',
      epoch,
      applied: 1,
      age_seconds: 1.5,
      source: 'stream',
      rejected,
      behind: 2,
    });
  });

  test('is listed once, as it was last, with the others in order of their ids and page by page', async () => {
    const org = await newOrg();
    for (const id of ['b', 'a', 'c', 'b']) await report(org, { node_id: id, calls: { active: 0, capacity: 9 } });
    const first = (await one.api('GET', `/api/orgs/${org}/nodes?limit=2`)).body;
    expect(first.items.map((item: { node_id: string }) => item.node_id)).toEqual(['a', 'b']);
    const rest = (await one.api('GET', `/api/orgs/${org}/nodes?cursor=${first.next_cursor}`)).body;
    expect(rest).toMatchObject({ items: [{ node_id: 'c', calls: { active: 0, capacity: 9 } }], next_cursor: null });
  });

  test('is behind by all there is while it has nothing, or what it has is of another epoch', async () => {
    const org = await newOrg(2);
    await report(org, {}, { epoch: null, applied: null, age_seconds: null, source: null });
    expect(await node(org)).toMatchObject({ applied: null, age_seconds: null, behind: 2 });
    await report(org, {}, { epoch: 'restored', applied: 7 });
    expect(await node(org)).toMatchObject({ applied: 7, behind: 2 });
    await report(org, {}, { applied: 2 });
    expect(await node(org)).toMatchObject({ behind: 0 });
  });

  test('for several organizations is taken for the one of the key alone', async () => {
    const [mine, other] = [await newOrg(), await newOrg()];
    const organizations = [entry(other), entry(mine)];
    const { body } = await one.node(mine, 'POST', '/api/sync/status', status(mine, { organizations }));
    expect(body.organizations).toEqual([{ org_id: mine, state: 'active', revision: 0 }]);
    expect((await one.api('GET', `/api/orgs/${other}/nodes`)).body.items).toEqual([]);
    const foreign = await one.node(mine, 'POST', '/api/sync/status', status(other));
    expect(foreign).toMatchObject({ status: 403, body: { code: 'FOREIGN_ORGANIZATION' } });
  });

  test('that it is ending is shown draining', async () => {
    const org = await newOrg();
    await report(org, { state: 'draining' });
    expect(await node(org)).toMatchObject({ state: 'draining' });
  });

  test('and then is silent for 90 s is lost, until it reports again', async () => {
    const org = await newOrg();
    await report(org);
    await silentFor(org, '89 seconds');
    expect(await node(org)).toMatchObject({ state: 'active' });
    await silentFor(org, '91 seconds');
    expect(await node(org)).toMatchObject({ state: 'lost' });
    await report(org);
    expect(await node(org)).toMatchObject({ state: 'active' });
  });

  test('and is lost for more than 7 days is forgotten, unless it is to drain', async () => {
    const org = await newOrg();
    for (const id of ['gone', 'drained']) await report(org, { node_id: id });
    await one.api('POST', `/api/orgs/${org}/nodes/drained/drain`);
    await silentFor(org, '6 days 23 hours');
    await forgetLostNodes(one.database);
    expect((await one.api('GET', `/api/orgs/${org}/nodes`)).body.items).toHaveLength(2);
    await silentFor(org, '7 days 1 hour');
    await forgetLostNodes(one.database);
    expect((await one.api('GET', `/api/orgs/${org}/nodes`)).body.items).toMatchObject([{ node_id: 'drained' }]);
  });
});

/** Orders that a stream brings, as they come. */
async function orders(orgId: string, at: number) {
  const stop = new AbortController();
  const response = await fetch(`http://127.0.0.1:${at}/api/sync/stream?org_id=${orgId}`, {
    headers: { 'x-sync-token': one.key(orgId) },
    signal: stop.signal,
  });
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const events: string[] = [];
  const next = async (): Promise<NodeOrder> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end < 0) {
        text += (await reader.read()).value ?? '';
        continue;
      }
      const [, event = '', data = ''] = /event: (\w+)\n(?:id: .*\n)?data: (.*)/.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      events.push(event);
      if (event === 'order') return JSON.parse(data);
    }
  };
  return { next, events, close: () => stop.abort() };
}

describe('a node that is ordered', () => {
  test('to drain is shown draining at once and told so when it reports, until it is resumed; saying it again is no error', async () => {
    const org = await newOrg();
    await report(org);
    for (let time = 1; time <= 2; time++)
      expect(await one.api('POST', `/api/orgs/${org}/nodes/n1/drain`)).toMatchObject({
        status: 200,
        body: { node_id: 'n1', state: 'draining' },
      });
    const told = await report(org, { state: 'draining' }, { state: 'draining' });
    expect(told.body.organizations).toMatchObject([{ state: 'draining' }]);
    expect(await one.api('POST', `/api/orgs/${org}/nodes/n1/resume`)).toMatchObject({
      status: 200,
      body: { state: 'active' },
    });
    expect((await report(org)).body.organizations).toMatchObject([{ state: 'active' }]);
  });

  test('drains for that organization alone', async () => {
    const [org, other] = [await newOrg(), await newOrg()];
    for (const id of [org, other]) await report(id);
    await one.api('POST', `/api/orgs/${org}/nodes/n1/drain`);
    expect(await node(other)).toMatchObject({ state: 'active' });
    expect((await report(other)).body.organizations).toMatchObject([{ state: 'active' }]);
  });

  test('has to have been seen', async () => {
    const org = await newOrg();
    for (const verb of ['drain', 'resume'])
      expect(await one.api('POST', `/api/orgs/${org}/nodes/n1/${verb}`)).toMatchObject({ status: 404 });
    expect(await one.api('GET', `/api/orgs/${org}/nodes/n1`)).toMatchObject({ status: 404 });
  });

  test('hears of it over the stream of every master: signed, once, each later than the one before', async () => {
    const org = await newOrg();
    await report(org);
    const streams = [await orders(org, port), await orders(org, secondPort)];
    const path = `/api/orgs/${org}/nodes/n1`;
    const seen: NodeOrder[] = [];
    for (const verb of ['drain', 'resume', 'drain']) {
      await one.api('POST', `${path}/${verb}`);
      const [here, there] = await Promise.all(streams.map((stream) => stream.next()));
      expect(there).toEqual(here);
      if (here) seen.push(here);
    }
    expect(seen.map(({ state }) => state)).toEqual(['draining', 'active', 'draining']);
    expect(seen.map(({ issued_at }) => issued_at)).toEqual([...new Set(seen.map(({ issued_at }) => issued_at))].sort());
    const key = parseOrgKey(one.key(org));
    for (const order of seen) {
      expect(order).toMatchObject({ v: 1, type: 'order', org_id: org, node_id: 'n1', kid: '1' });
      expect(key && verifyChange(key, order)).toBe(true);
      expect(key && verifyChange(key, { ...order, state: 'active', node_id: 'n2' })).toBe(false);
    }
    for (const stream of streams) stream.close();
  });

  test('hears of it first when it opens its stream later', async () => {
    const org = await newOrg(1);
    await report(org);
    await one.api('POST', `/api/orgs/${org}/nodes/n1/drain`);
    const stream = await orders(org, secondPort);
    expect(await stream.next()).toMatchObject({ node_id: 'n1', state: 'draining' });
    expect(stream.events).toEqual(['order']);
    stream.close();
  });

  test('twice within a millisecond is still ordered in a sequence', async () => {
    const org = await newOrg();
    const ids = Array.from({ length: 8 }, (_value, index) => `n${index}`);
    for (const id of ids) await report(org, { node_id: id });
    await Promise.all(ids.map((id) => one.api('POST', `/api/orgs/${org}/nodes/${id}/drain`)));
    const { rows } = await one.database.query('SELECT DISTINCT issued_at FROM node_order WHERE org_id = $1', [org]);
    expect(rows).toHaveLength(ids.length);
  });
});
