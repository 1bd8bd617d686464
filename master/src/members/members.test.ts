import type { Role } from '@voiceoi/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMember, type Person, personOf, tokenOf } from '../../../test/services/people.ts';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { trimInvitations } from './index.ts';

const PASSWORD = 'a password of somebody';
let one: TestMaster;
let made = 0;
beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());

async function newOrg(): Promise<string> {
  const id = `org-${made++}`;
  expect((await one.api('POST', '/api/orgs', { id, name: 'An organization' })).status).toBe(201);
  return id;
}
const membersOf = (org: string): string => `/api/orgs/${org}/members`;
const accept = (token: string, password = PASSWORD): Promise<Injected> =>
  one.api('POST', '/api/auth/accept-invite', { token, password });
const invite = (org: string, email: string, role: Role = 'viewer', by: Pick<Person, 'call'> = { call: one.api }) =>
  by.call('POST', membersOf(org), { email, role });
const roleIn = async (org: string, id: string): Promise<string | undefined> =>
  (await one.api('GET', membersOf(org))).body.items.find((item: { id: string }) => item.id === id)?.role;

describe('an invitation', () => {
  test('makes a new user with the chosen password, who is signed in and sees that organization alone', async () => {
    const [org] = [await newOrg(), await newOrg()];
    const invited = await invite(org, 'New.Person@example.com', 'editor');
    expect(invited.status).toBe(201);
    expect(invited.headers['cache-control']).toBe('no-store');
    expect(invited.body).toEqual({
      id: expect.any(String),
      email: 'New.Person@example.com',
      role: 'editor',
      status: 'invited',
      created_at: expect.stringMatching(/Z$/),
      expires_at: expect.stringMatching(/Z$/),
      invite_url: expect.stringMatching(/^http:\/\/localhost:4000\/invite\?token=[\w-]{43}$/),
    });
    expect(Date.parse(invited.body.expires_at) - Date.parse(invited.body.created_at)).toBe(7 * 86_400_000);

    const answer = await accept(tokenOf(invited));
    expect(answer.headers['set-cookie']).toMatch(/^voiceoi_refresh=.*; HttpOnly; SameSite=Strict/);
    const person = personOf(one, answer);
    expect((await person.call('GET', '/api/auth/me')).body).toEqual({
      id: person.id,
      email: 'New.Person@example.com',
      superadmin: false,
      memberships: [{ org_id: org, role: 'editor' }],
    });
    expect((await person.call('GET', '/api/orgs')).body.items.map(({ id }: { id: string }) => id)).toEqual([org]);
    const login = await one.api('POST', '/api/auth/login', { email: 'new.person@example.com', password: PASSWORD });
    expect(login.status).toBe(200);
  });

  test('is good once, also when it is accepted twice at the same time', async () => {
    const token = tokenOf(await invite(await newOrg(), 'twice@example.com'));
    const answers = await Promise.all([accept(token), accept(token)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400]);
    const again = await accept(token);
    expect(again.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', errors: [{ path: '/token' }] });
    expect((await one.database.query(`SELECT 1 FROM app_user WHERE email = 'twice@example.com'`)).rowCount).toBe(1);
  });

  test('is over after seven days, and then gone', async () => {
    const org = await newOrg();
    const token = tokenOf(await invite(org, 'late@example.com'));
    await one.database.query(`UPDATE invitation SET expires_at = now() - interval '1 second' WHERE org_id = $1`, [org]);
    expect((await accept(token)).status).toBe(400);
    expect((await one.api('GET', membersOf(org))).body.items).toEqual([]);
    expect(await trimInvitations(one.database)).toBe(1);
  });

  test('is kept where whoever reads the database cannot accept it', async () => {
    const token = tokenOf(await invite(await newOrg(), 'hashed@example.com'));
    const { rows } = await one.database.query<{ token_hash: Uint8Array }>('SELECT token_hash FROM invitation');
    const kept = rows.map(({ token_hash }) => Buffer.from(token_hash));
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.map((hash) => hash.toString('base64url'))).not.toContain(token);
    expect(kept.map((hash) => hash.toString())).not.toContain(token);
  });

  test('of somebody with an account asks for the password of that account, and changes none', async () => {
    const [first, second] = [await newOrg(), await newOrg()];
    const person = await newMember(one, first, 'admin');
    const token = tokenOf(await invite(second, person.email.toUpperCase(), 'viewer'));
    const stranger = await accept(token, 'a password of a stranger');
    expect(stranger.body).toMatchObject({ status: 401, code: 'BAD_CREDENTIALS' });
    expect((await accept(token)).body.user.id).toBe(person.id);
    expect((await person.call('GET', '/api/auth/me')).body.memberships).toEqual([
      { org_id: first, role: 'admin' },
      { org_id: second, role: 'viewer' },
    ]);
  });

  test('is no way around the limit of guesses', async () => {
    const person = await newMember(one, await newOrg(), 'viewer');
    const token = tokenOf(await invite(await newOrg(), person.email));
    for (let i = 0; i < 5; i++) expect((await accept(token, 'wrong')).status).toBe(401);
    expect((await accept(token)).body).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
    await one.database.query('DELETE FROM sign_in_limit');
  });

  test.each(['short', 'Password1234!', 'careless@example.com'])('takes no password such as %s', async (password) => {
    const token = tokenOf(await invite(await newOrg(), 'careless@example.com'));
    const refused = await accept(token, password);
    expect(refused.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', errors: [{ path: '/password' }] });
    await one.database.query('DELETE FROM invitation');
  });

  test('takes the place of an earlier one', async () => {
    const org = await newOrg();
    const [old, renewed] = [await invite(org, 'again@example.com'), await invite(org, 'Again@example.com', 'admin')];
    expect((await accept(tokenOf(old))).status).toBe(400);
    const person = personOf(one, await accept(tokenOf(renewed)));
    expect(await roleIn(org, person.id)).toBe('admin');
  });

  test('is listed until it is accepted, can be changed, and withdrawn', async () => {
    const org = await newOrg();
    const [kept, withdrawn] = [await invite(org, 'b@example.com'), await invite(org, 'a@example.com')];
    const { body } = await one.api('GET', membersOf(org));
    expect(body.items.map(({ email, status }: { email: string; status: string }) => [email, status])).toEqual([
      ['a@example.com', 'invited'],
      ['b@example.com', 'invited'],
    ]);
    expect(JSON.stringify(body)).not.toContain('token');
    expect((await one.api('PATCH', `${membersOf(org)}/${kept.body.id}`, { role: 'admin' })).body.role).toBe('admin');
    expect((await one.api('DELETE', `${membersOf(org)}/${withdrawn.body.id}`)).status).toBe(204);
    expect((await accept(tokenOf(withdrawn))).status).toBe(400);
    const person = personOf(one, await accept(tokenOf(kept)));
    expect(await roleIn(org, person.id)).toBe('admin');
  });

  test('is not made for a member, and ends with the role of whoever made it', async () => {
    const org = await newOrg();
    const [admin, member] = [await newMember(one, org, 'admin'), await newMember(one, org, 'viewer')];
    expect((await invite(org, member.email, 'admin', admin)).body).toMatchObject({ status: 409 });
    const friend = tokenOf(await invite(org, 'friend@example.com', 'admin', admin));
    await one.api('PATCH', `${membersOf(org)}/${admin.id}`, { role: 'editor' });
    expect((await accept(friend)).status).toBe(400);
  });
});

describe('members', () => {
  test('are listed page by page, each once, in the order of their e-mails', async () => {
    const org = await newOrg();
    for (const role of ['viewer', 'owner', 'editor'] as const) await newMember(one, org, role);
    await invite(org, 'Zoe@example.com');
    const seen: string[] = [];
    for (let query: string | null = ''; query !== null; ) {
      const { body } = await one.api('GET', `${membersOf(org)}?limit=2${query}`);
      seen.push(...body.items.map(({ email }: { email: string }) => email.toLowerCase()));
      query = body.next_cursor === null ? null : `&cursor=${body.next_cursor}`;
    }
    expect(seen).toHaveLength(4);
    expect(seen).toEqual([...new Set(seen)].sort());
  });

  test('have their new role from their next request on, and none once they are removed', async () => {
    const org = await newOrg();
    const person = await newMember(one, org, 'editor');
    const write = () => person.call('POST', `/api/orgs/${org}/scripts`, {});
    expect((await write()).status).toBe(400);
    expect((await one.api('PATCH', `${membersOf(org)}/${person.id}`, { role: 'viewer' })).status).toBe(200);
    expect((await write()).status).toBe(403);
    expect((await person.call('GET', `/api/orgs/${org}`)).status).toBe(200);
    expect((await one.api('DELETE', `${membersOf(org)}/${person.id}`)).status).toBe(204);
    expect((await person.call('GET', `/api/orgs/${org}`)).status).toBe(404);
    expect((await person.call('GET', '/api/auth/me')).body.memberships).toEqual([]);
  });

  test('of another organization are nobody here', async () => {
    const [org, other] = [await newOrg(), await newOrg()];
    const [owner, stranger] = [await newMember(one, org, 'owner'), await newMember(one, other, 'viewer')];
    expect((await owner.call('PATCH', `${membersOf(org)}/${stranger.id}`, { role: 'admin' })).status).toBe(404);
    expect((await owner.call('DELETE', `${membersOf(org)}/${stranger.id}`)).status).toBe(404);
    expect(await roleIn(other, stranger.id)).toBe('viewer');
  });

  test('up to admin are managed by an admin; owners are not', async () => {
    const org = await newOrg();
    const [admin, owner, editor] = [
      await newMember(one, org, 'admin'),
      await newMember(one, org, 'owner'),
      await newMember(one, org, 'editor'),
    ];
    const waiting = await invite(org, 'next-owner@example.com', 'owner', owner);
    const promote = (role: Role) => admin.call('PATCH', `${membersOf(org)}/${editor.id}`, { role });
    expect((await promote('admin')).status).toBe(200);
    const refused = [
      await promote('owner'),
      await admin.call('PATCH', `${membersOf(org)}/${admin.id}`, { role: 'owner' }),
      await admin.call('PATCH', `${membersOf(org)}/${owner.id}`, { role: 'viewer' }),
      await admin.call('DELETE', `${membersOf(org)}/${owner.id}`),
      await admin.call('DELETE', `${membersOf(org)}/${waiting.body.id}`),
      await invite(org, 'x@example.com', 'owner', admin),
      await invite(org, 'next-owner@example.com', 'viewer', admin),
    ];
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual(refused.map(() => [403, 'FORBIDDEN']));
    expect((await accept(tokenOf(waiting))).status).toBe(200);
    expect(await roleIn(org, owner.id)).toBe('owner');
    expect((await admin.call('DELETE', `${membersOf(org)}/${editor.id}`)).status).toBe(204);
  });

  test('keep their last owner: not removed, not demoted, by nobody', async () => {
    const org = await newOrg();
    const [owner, other] = [await newMember(one, org, 'owner'), await newMember(one, org, 'admin')];
    const path = `${membersOf(org)}/${owner.id}`;
    const tries = [
      await owner.call('DELETE', path),
      await owner.call('PATCH', path, { role: 'admin' }),
      await one.api('DELETE', path),
      await one.api('PATCH', path, { role: 'viewer' }),
    ];
    expect(tries.map(({ status, body }) => [status, body.code])).toEqual(tries.map(() => [409, 'LAST_OWNER']));
    expect((await owner.call('PATCH', path, { role: 'owner' })).status).toBe(200);
    await owner.call('PATCH', `${membersOf(org)}/${other.id}`, { role: 'owner' });
    expect((await owner.call('DELETE', path)).status).toBe(204);
    expect((await other.call('DELETE', `${membersOf(org)}/${other.id}`)).body.code).toBe('LAST_OWNER');
  });

  test('end with their organization, and their account does not', async () => {
    const org = await newOrg();
    const owner = await newMember(one, org, 'owner');
    await invite(org, 'never@example.com');
    expect((await owner.call('DELETE', `/api/orgs/${org}`)).status).toBe(204);
    expect((await owner.call('GET', '/api/auth/me')).body.memberships).toEqual([]);
    for (const table of ['member', 'invitation'])
      expect((await one.database.query(`SELECT 1 FROM ${table} WHERE org_id = $1`, [org])).rowCount).toBe(0);
  });
});
