import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { accessTokens } from './access-token.ts';
import { failureLimiter } from './limiter.ts';
import { hashPassword, verifyPassword } from './passwords.ts';
import { createAdministrator } from './service.ts';

let master: TestMaster;
beforeAll(async () => {
  master = await startTestMaster({ postgres: false });
  await createAdministrator(master.database, 'Ann@example.com', 'correct horse battery');
});
afterAll(() => master.stop());

const post = (url: string, payload: object, cookie?: string, headers: { readonly [name: string]: string } = {}) =>
  master.master.app.inject({ method: 'POST', url, payload, headers: { ...headers, ...(cookie && { cookie }) } });
const login = (password = 'correct horse battery', email = 'ann@EXAMPLE.com') =>
  post('/api/auth/login', { email, password });
const cookieOf = (response: { readonly headers: { readonly [name: string]: unknown } }): string =>
  String(response.headers['set-cookie']).split(';')[0] ?? '';

describe('sign-in', () => {
  test('gives a short token and a cookie that scripts cannot read', async () => {
    const response = await login();
    expect(response.json()).toMatchObject({
      token_type: 'Bearer',
      expires_in: 900,
      user: { email: 'Ann@example.com', superadmin: true },
    });
    expect(response.headers['set-cookie']).toMatch(/HttpOnly; SameSite=Strict/);
    expect(response.headers['set-cookie']).toMatch(/Path=\/api\/auth/);
    const me = await master.master.app.inject({
      url: '/api/auth/me',
      headers: { authorization: `Bearer ${response.json().access_token}` },
    });
    expect(me.json()).toEqual(response.json().user);
  });

  test('answers an unknown user as it answers a wrong password, and after five failures asks for patience', async () => {
    const wrong = await login('nope', 'bob@example.com');
    expect([wrong.statusCode, wrong.json().code]).toEqual([401, 'BAD_CREDENTIALS']);
    await createAdministrator(master.database, 'bob@example.com', 'correct horse battery');
    const known = await login('nope', 'bob@example.com');
    expect({ ...known.json(), request_id: '' }).toEqual({ ...wrong.json(), request_id: '' });
    for (let index = 0; index < 3; index++) await login('nope', 'bob@example.com');
    const limited = await login('correct horse battery', 'bob@example.com');
    expect(limited.statusCode).toBe(429);
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
  });

  test('a refresh token is good once; used again it ends the whole session', async () => {
    const first = cookieOf(await login());
    const renewed = await post('/api/auth/refresh', {}, first);
    expect(renewed.statusCode).toBe(200);
    const second = cookieOf(renewed);
    expect(second).not.toBe(first);
    expect((await post('/api/auth/refresh', {}, first)).statusCode).toBe(401);
    expect((await post('/api/auth/refresh', {}, second)).statusCode).toBe(401);
    expect((await post('/api/auth/refresh', {})).statusCode).toBe(401);
  });

  test('signing out ends this session, or all of them', async () => {
    const [one, two] = [cookieOf(await login()), cookieOf(await login())];
    expect((await post('/api/auth/logout', {}, one)).statusCode).toBe(204);
    expect((await post('/api/auth/refresh', {}, one)).statusCode).toBe(401);
    const still = await post('/api/auth/refresh', {}, two);
    expect(still.statusCode).toBe(200);
    const three = cookieOf(await login());
    await post('/api/auth/logout', { everywhere: true }, cookieOf(still));
    expect((await post('/api/auth/refresh', {}, three)).statusCode).toBe(401);
  });

  test('a password is changed by whoever knows it, and ends the other sessions', async () => {
    await createAdministrator(master.database, 'eve@example.com', 'correct horse battery');
    const other = cookieOf(await login('correct horse battery', 'eve@example.com'));
    const here = await login('correct horse battery', 'eve@example.com');
    const authorization = { authorization: `Bearer ${here.json().access_token}` };
    const change = (current_password: string) =>
      post(
        '/api/auth/password',
        { current_password, new_password: 'a longer new password' },
        cookieOf(here),
        authorization,
      );
    expect((await change('wrong')).statusCode).toBe(400);
    expect((await change('correct horse battery')).statusCode).toBe(204);
    expect((await post('/api/auth/refresh', {}, other)).statusCode).toBe(401);
    expect((await post('/api/auth/refresh', {}, cookieOf(here))).statusCode).toBe(200);
    expect((await login('a longer new password', 'eve@example.com')).statusCode).toBe(200);
  });
});

describe('access tokens', () => {
  const secret = 's'.repeat(40);
  const sign = (claims: object, header: object, key = secret) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...header })
      .setSubject('u')
      .setIssuer('voiceoi')
      .setAudience('voiceoi-api')
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(Buffer.from(key));

  test('are taken only as they were made', async () => {
    const tokens = accessTokens(secret);
    const good = await tokens.issue('u');
    expect(await tokens.verify(good)).toBe('u');
    expect(await tokens.verify(await sign({}, {}))).toBe('u');
    const [header, payload, signature] = good.split('.');
    const none = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${payload}.`;
    const refused = [
      none,
      `${header}.${payload}.${signature?.slice(0, -2)}xx`,
      await sign({}, { typ: 'JWT' }),
      await sign({}, { alg: 'HS512' }),
      await sign({}, {}, 'x'.repeat(40)),
      await sign({ iss: 'other' }, {}).then((token) => token.slice(1)),
      '',
    ];
    for (const token of refused) expect(await tokens.verify(token)).toBeUndefined();
  });
});

describe('passwords', () => {
  test('are kept as argon2id, each with a salt of its own, and verified', async () => {
    const [one, two] = await Promise.all([hashPassword('Paßwort'), hashPassword('Paßwort')]);
    expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(one).not.toBe(two);
    expect(await verifyPassword('Paßwort', one)).toBe(true);
    expect(await verifyPassword('Passwort', one)).toBe(false);
    expect(await verifyPassword('x', 'unknown form')).toBe(false);
  });
});

describe('limit of failures', () => {
  test('lets five fail in fifteen minutes, and forgets them afterwards', () => {
    let now = 0;
    const limiter = failureLimiter(5, () => now);
    for (let index = 0; index < 5; index++) {
      expect(limiter.wait('a')).toBe(0);
      limiter.fail('a');
    }
    expect(limiter.wait('a')).toBe(900);
    expect(limiter.wait('b')).toBe(0);
    now = 15 * 60 * 1000 + 1;
    expect(limiter.wait('a')).toBe(0);
  });
});
