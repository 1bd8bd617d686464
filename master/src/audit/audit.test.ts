import { createHash } from 'node:crypto';
import { canonicalJson } from '@voiceoi/kernel';
import { demoScript } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMember, type Person } from '../../../test/services/people.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { ensureDemo } from '../demo.ts';

let one: TestMaster;
let admin: Person;
beforeAll(async () => {
  one = await startTestMaster();
  await ensureDemo(one.database, one.master);
  admin = await newMember(one, 'abc', 'admin');
});
afterAll(() => one.stop());

const list = (query = '') => admin.call('GET', `/api/orgs/abc/audit${query}`);
const newest = async () => (await list('?limit=1')).body.items[0];

describe('an entry', () => {
  test('says who did what, to what, when, by which request and from where, and how it was before and after', async () => {
    const answer = await admin.call('PATCH', '/api/orgs/abc/campaigns/123', { status: 'paused' });
    expect(await newest()).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      at: expect.stringMatching(/^\d{4}-.*Z$/),
      actor: { kind: 'user', id: admin.id, name: admin.email },
      action: 'campaign.update',
      target: 'campaign/123',
      before: expect.objectContaining({ id: '123', status: 'active', etag: '"1"' }),
      after: answer.body,
      request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      address: '127.0.0.1',
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  test('of what the first start makes is the system’s', async () => {
    const { items } = (await list('?actor=first%20start')).body;
    expect(items.map(({ action }: { action: string }) => action)).toEqual([
      'campaign.create',
      'script.publish',
      'organization.create',
    ]);
    expect(items[0]).toMatchObject({ actor: { kind: 'system' }, request_id: null, address: null });
  });

  test('of an accepted invitation is of whoever accepted it', async () => {
    const person = await newMember(one, 'abc', 'viewer');
    expect(await newest()).toMatchObject({
      action: 'member.join',
      actor: { kind: 'user', id: person.id, name: person.email },
      after: { email: person.email, role: 'viewer', status: 'active' },
    });
    const invited = (await list('?action=member.invite&limit=1')).body.items[0];
    expect(invited.after).toMatchObject({ email: person.email, invite_url: '[redacted]' });
  });

  test('of a large draft has its hash, and that of a version the one that the version has', async () => {
    const document = { ...demoScript, note: 'x'.repeat(2000), variables: { ...demoScript.variables } };
    for (let at = 0; at < 200; at++)
      Object.assign(document.variables, { [`v${at}`]: { type: 'string', default: 'y'.repeat(100) } });
    expect((await admin.call('PUT', '/api/orgs/abc/scripts/demo/draft', { document })).status).toBe(200);
    const saved = (await newest()).after.document;
    expect(saved).toEqual({ sha256: expect.any(String), bytes: expect.any(Number) });
    const { status, body } = await admin.call('POST', '/api/orgs/abc/scripts/demo/publish');
    expect([status, body]).toEqual([201, { version: 2 }]);
    expect(await newest()).toMatchObject({
      action: 'script.publish',
      before: { version: 1 },
      after: { version: 2, sha256: saved.sha256 },
    });
  });

  test('has a hash over the one before and its own RFC 8785 text', async () => {
    const [last, before] = (await list('?limit=2')).body.items;
    const { rows } = await one.database.query<{ seq: number }>('SELECT seq FROM audit_log WHERE id = $1', [last.id]);
    const { hash, ...entry } = last;
    const text = canonicalJson({ ...entry, org_id: 'abc', seq: rows[0]?.seq });
    const expected = createHash('sha256').update(Buffer.from(before.hash, 'hex')).update(text).digest('hex');
    expect(hash).toBe(expected);
  });

  test('of a sign-in is in the chain of the instance and shown to no organization; one that failed has none', async () => {
    const entries = async () =>
      (await one.database.query(`SELECT action, actor FROM audit_log WHERE org_id = '_instance' ORDER BY seq`)).rows;
    const before = await entries();
    const { email } = admin;
    const signIn = (password: string) => one.api('POST', '/api/auth/login', { email, password });
    expect((await signIn('wrong')).status).toBe(401);
    expect(await entries()).toEqual(before);
    expect((await signIn('a password of somebody')).status).toBe(200);
    expect(await entries()).toEqual([
      ...before,
      { action: 'user.sign_in', actor: { kind: 'user', id: admin.id, name: email } },
    ]);
    expect((await list('?action=user.sign_in')).body.items).toEqual([]);
  });
});

test.each([
  ['a state that is over', 'PATCH', '/campaigns/123', { status: 'active' }, { 'if-match': '"999"' }, 412],
  ['an id that is taken', 'POST', '/campaigns', { id: '123', name: 'C', script_id: 'demo' }, {}, 409],
  ['a reference to nothing', 'POST', '/campaigns', { id: 'n', name: 'C', script_id: 'nothing' }, {}, 400],
  ['a script in use', 'DELETE', '/scripts/demo', undefined, {}, 409],
  ['a node that is not there', 'POST', '/nodes/n9/drain', undefined, {}, 404],
  ['a canary that is not there', 'DELETE', '/campaigns/123/canary', undefined, {}, 404],
  ['a body that says nothing', 'POST', '/members', {}, {}, 400],
])('a request that is refused writes none: %s', async (_what, method, path, body, headers, status) => {
  const before = await newest();
  expect((await one.api(method, `/api/orgs/abc${path}`, body, headers)).status).toBe(status);
  expect(await newest()).toEqual(before);
});

describe('the list', () => {
  test('has the newest first, page by page, each entry once', async () => {
    const all = (await list('?limit=200')).body.items.map(({ id }: { id: string }) => id);
    const paged: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const { body } = await list(`?limit=4${cursor && `&cursor=${cursor}`}`);
      paged.push(...body.items.map(({ id }: { id: string }) => id));
      cursor = body.next_cursor;
    }
    expect(all.length).toBeGreaterThan(8);
    expect(paged).toEqual(all);
    expect(all).toEqual(all.toSorted().toReversed());
  });

  test('is narrowed to an action, and to an actor by id or name', async () => {
    const actions = async (query: string): Promise<ReadonlySet<string>> =>
      new Set((await list(query)).body.items.map((item: { action: string }) => item.action));
    expect(await actions('?action=script.publish')).toEqual(new Set(['script.publish']));
    const byId = (await list(`?actor=${admin.id}`)).body.items;
    expect(byId.length).toBeGreaterThan(2);
    expect((await list(`?actor=${encodeURIComponent(admin.email)}`)).body.items).toEqual(byId);
    expect(byId.filter(({ actor }: { actor: { id: string } }) => actor.id !== admin.id)).toEqual([]);
  });

  test('is of its organization alone', async () => {
    await one.api('POST', '/api/orgs', { id: 'other', name: 'Other' });
    const { body } = await one.api('GET', '/api/orgs/other/audit');
    expect(body.items.map(({ target }: { target: string }) => target)).toEqual(['organization/other']);
  });

  test('of an organization whose name was another’s does not show what that one did, which is kept', async () => {
    for (const name of ['Old', 'New']) {
      await one.api('POST', '/api/orgs', { id: 'again', name });
      if (name === 'Old') await one.api('DELETE', '/api/orgs/again');
    }
    const { items } = (await one.api('GET', '/api/orgs/again/audit')).body;
    expect(items).toMatchObject([{ action: 'organization.create', after: { name: 'New' } }]);
    const { rows } = await one.database.query(`SELECT seq, action FROM audit_log WHERE org_id = 'again' ORDER BY seq`);
    expect(rows).toEqual([
      { seq: 1, action: 'organization.create' },
      { seq: 2, action: 'organization.delete' },
      { seq: 3, action: 'organization.create' },
    ]);
  });
});
