import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { createAdministrator } from './administrators.ts';

const PASSWORD = 'a password of somebody';
let one: TestMaster;
let people = 0;
let address = 0;

beforeAll(async () => {
  one = await startTestMaster();
});
afterEach(() => one.database.query(`DELETE FROM app_user WHERE email <> 'admin@localhost'`));
afterAll(() => one.stop());

/** A new user's e-mail. */
async function newUser(): Promise<string> {
  return (await createAdministrator(one.database, `person-${people++}@example.com`, PASSWORD)).email;
}

interface Try {
  readonly body?: object;
  readonly cookie?: string;
  readonly token?: string;
  readonly from?: string;
}

/** Calls a route of sign-in, from an address of its own unless told. */
async function post(path: string, { body, cookie, token, from = `10.0.0.${address++}` }: Try = {}): Promise<Injected> {
  const response = await one.master.app.inject({
    method: 'POST',
    url: `/api/auth/${path}`,
    remoteAddress: from,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(cookie && { cookie: `voiceoi_refresh=${cookie}` }),
      ...(token && { authorization: `Bearer ${token}` }),
    },
    ...(body && { payload: JSON.stringify(body) }),
  });
  const { statusCode: status, headers, payload } = response;
  return { status, headers, body: payload ? JSON.parse(payload) : undefined };
}

const login = (email: string, password = PASSWORD, from?: string): Promise<Injected> =>
  post('login', { body: { email, password }, ...(from && { from }) });

/** The refresh token that an answer sets. */
function cookieOf({ headers }: Injected): string {
  const value = /^voiceoi_refresh=([^;]*)/.exec(String(headers['set-cookie']))?.[1];
  if (!value) throw new Error(`no cookie: ${headers['set-cookie']}`);
  return value;
}

async function me(token: string): Promise<number> {
  return (await one.api('GET', '/api/auth/me', undefined, { authorization: `Bearer ${token}` })).status;
}

describe('signing in', () => {
  test('gives a token that opens the API, and a cookie that no script can read', async () => {
    const email = await newUser();
    const answer = await login(email.toUpperCase());
    expect(answer.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 900,
      user: { id: expect.any(String), email, superadmin: true },
    });
    expect(answer.headers['set-cookie']).toMatch(/; Path=\/api\/auth; HttpOnly; SameSite=Strict/);
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(await me(answer.body.access_token)).toBe(200);
  });

  test('says the same of a wrong password and of somebody who is not there', async () => {
    const [wrong, nobody] = [await login(await newUser(), 'wrong'), await login('nobody@example.com', 'wrong')];
    expect(wrong.body).toMatchObject({ status: 401, code: 'BAD_CREDENTIALS' });
    expect({ ...wrong.body, request_id: '' }).toEqual({ ...nobody.body, request_id: '' });
    expect(wrong.headers['set-cookie']).toBeUndefined();
  });

  test('keeps neither password nor refresh token where somebody who reads the database could use them', async () => {
    const email = await newUser();
    const cookie = cookieOf(await login(email));
    const users = await one.database.query('SELECT * FROM app_user');
    const tokens = await one.database.query<{ token_hash: Uint8Array }>('SELECT * FROM refresh_token');
    expect(JSON.stringify(users.rows)).not.toContain(PASSWORD);
    expect(tokens.rows.length).toBeGreaterThan(0);
    for (const { token_hash } of tokens.rows) expect(Buffer.from(token_hash).toString('base64url')).not.toBe(cookie);
  });

  test('is refused after five failures for an account, with the right password too, and for no other', async () => {
    const [email, other] = [await newUser(), await newUser()];
    for (let i = 0; i < 5; i++) expect((await login(email, 'wrong')).status).toBe(401);
    const refused = await login(email);
    expect(refused.body).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(800);
    expect((await login(other)).status).toBe(200);
  });

  test('is refused after twenty failures from an address, for whatever account', async () => {
    const from = '192.0.2.7';
    for (let i = 0; i < 20; i++) expect((await login(`x${i}@example.com`, 'wrong', from)).status).toBe(401);
    const email = await newUser();
    expect((await login(email, PASSWORD, from)).status).toBe(429);
    expect((await login(email)).status).toBe(200);
  });

  test('lets no right guess through among many at the same time', async () => {
    const email = await newUser();
    const guesses = [...Array.from({ length: 12 }, (_value, index) => `wrong ${index}`), PASSWORD];
    const statuses = (await Promise.all(guesses.map((guess) => login(email, guess)))).map(({ status }) => status);
    expect(statuses).not.toContain(200);
  });

  test('is refused by every master alike, whichever the failures were at', async () => {
    const email = await newUser();
    const other = await one.another();
    const at = (app: TestMaster['master'], password: string) =>
      app.app.inject({ method: 'POST', url: '/api/auth/login', payload: { email, password } });
    for (let i = 0; i < 5; i++) expect((await at(i % 2 ? other : one.master, 'wrong')).statusCode).toBe(401);
    expect((await at(one.master, PASSWORD)).statusCode).toBe(429);
    expect((await at(other, PASSWORD)).statusCode).toBe(429);
  });

  test('is refused after five failures to name the password that is to be changed', async () => {
    const email = await newUser();
    const { body: session } = await login(email);
    const change = (current_password: string) =>
      post('password', { token: session.access_token, body: { current_password, new_password: 'a better password' } });
    for (let i = 0; i < 5; i++) expect((await change('wrong')).status).toBe(400);
    expect((await change(PASSWORD)).body).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' });
    expect((await login(email)).status).toBe(429);
  });

  test('counts afresh after a success', async () => {
    const email = await newUser();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) expect((await login(email, 'wrong')).status).toBe(401);
      expect((await login(email)).status).toBe(200);
    }
  });
});

describe('a session', () => {
  test('goes on with the cookie, which changes each time', async () => {
    const first = await login(await newUser());
    const second = await post('refresh', { cookie: cookieOf(first) });
    expect(second.status).toBe(200);
    expect(cookieOf(second)).not.toBe(cookieOf(first));
    expect(await me(second.body.access_token)).toBe(200);
    expect((await post('refresh', { cookie: cookieOf(second) })).status).toBe(200);
  });

  test('ends for thief and owner alike when a cookie is used twice; other sessions go on', async () => {
    const email = await newUser();
    const other = cookieOf(await login(email));
    const stolen = cookieOf(await login(email));
    const renewed = cookieOf(await post('refresh', { cookie: stolen }));
    expect((await post('refresh', { cookie: stolen })).body).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
    expect((await post('refresh', { cookie: renewed })).status).toBe(401);
    expect((await post('refresh', { cookie: other })).status).toBe(200);
  });

  test('is renewed once by two requests at the same time', async () => {
    const cookie = cookieOf(await login(await newUser()));
    const both = await Promise.all([post('refresh', { cookie }), post('refresh', { cookie })]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 401]);
  });

  test.each([undefined, 'forged', 'x'.repeat(3000)])('is none with the cookie %s', async (cookie) => {
    const answer = await post('refresh', cookie === undefined ? {} : { cookie });
    expect(answer.body).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });

  test('ends after its time', async () => {
    const cookie = cookieOf(await login(await newUser()));
    await one.database.query(`UPDATE refresh_token SET expires_at = now() - interval '1 second'`);
    expect((await post('refresh', { cookie })).status).toBe(401);
  });

  test('ends here by signing out, and everywhere on demand', async () => {
    const email = await newUser();
    const [here, there, elsewhere] = [await login(email), await login(email), await login(email)].map(cookieOf);
    if (!here || !there || !elsewhere) throw new Error('no cookies');
    const left = await post('logout', { cookie: here });
    expect(left.status).toBe(204);
    expect(left.headers['set-cookie']).toMatch(/^voiceoi_refresh=;/);
    expect((await post('refresh', { cookie: here })).status).toBe(401);
    expect((await post('logout', { cookie: there, body: { everywhere: true } })).status).toBe(204);
    expect((await post('refresh', { cookie: elsewhere })).status).toBe(401);
  });

  test('can be left without having one', async () => expect((await post('logout')).status).toBe(204));
});

describe('a new password', () => {
  test('takes the place of the old one and ends the other sessions', async () => {
    const email = await newUser();
    const [here, there] = [await login(email), await login(email)];
    const body = { current_password: PASSWORD, new_password: 'a better password' };
    const changed = await post('password', { body, token: here.body.access_token, cookie: cookieOf(here) });
    expect(changed.status).toBe(204);
    expect((await post('refresh', { cookie: cookieOf(there) })).status).toBe(401);
    expect(await me(there.body.access_token)).toBe(401);
    expect(await me(here.body.access_token)).toBe(200);
    expect((await post('refresh', { cookie: cookieOf(here) })).status).toBe(200);
    expect((await login(email)).status).toBe(401);
    expect((await login(email, 'a better password')).status).toBe(200);
  });

  test.each([
    [{ current_password: 'wrong', new_password: 'a better password' }, '/current_password'],
    [{ current_password: PASSWORD, new_password: 'short' }, '/new_password'],
    [{ current_password: PASSWORD, new_password: 'Password1234!' }, '/new_password'],
  ])('is not set by %o', async (body, path) => {
    const email = await newUser();
    const session = await login(email);
    const answer = await post('password', { body, token: session.body.access_token });
    expect(answer.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', errors: [{ path }] });
    expect((await login(email)).status).toBe(200);
  });
});

describe('an access token', () => {
  test('ends with its session, wherever that was ended', async () => {
    const email = await newUser();
    const [here, there] = [await login(email), await login(email)];
    const renewed = await post('refresh', { cookie: cookieOf(here) });
    expect(await me(here.body.access_token)).toBe(200);
    await post('logout', { cookie: cookieOf(renewed) });
    expect(await me(here.body.access_token)).toBe(401);
    expect(await me(renewed.body.access_token)).toBe(401);
    expect(await me(there.body.access_token)).toBe(200);
    await post('logout', { cookie: cookieOf(there), body: { everywhere: true } });
    expect(await me(there.body.access_token)).toBe(401);
  });

  test('is no refresh token, and a refresh token none', async () => {
    const session = await login(await newUser());
    expect(await me(cookieOf(session))).toBe(401);
    expect((await post('refresh', { cookie: session.body.access_token })).status).toBe(401);
  });

  test('is none once its user is gone, and knows by itself that they are no superadmin any more', async () => {
    const { body } = await login(await newUser());
    const bearer = { authorization: `Bearer ${body.access_token}` };
    const list = () => one.api('GET', '/api/orgs/nobody', undefined, bearer);
    const make = () => one.api('POST', '/api/orgs', {}, bearer);
    expect((await make()).status).toBe(400);
    await one.database.query('UPDATE app_user SET superadmin = false WHERE id = $1', [body.user.id]);
    expect((await make()).status).toBe(403);
    expect((await list()).status).toBe(404);
    await one.database.query('DELETE FROM app_user WHERE id = $1', [body.user.id]);
    expect(await me(body.access_token)).toBe(401);
  });
});
