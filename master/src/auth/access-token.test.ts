import { createHmac, generateKeyPairSync } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { accessTokens } from './access-token.ts';

const SECRET = 'a secret for tests that is long enough';
const SUBJECT = { userId: '01936f5e-0000-7000-8000-000000000001', session: '01936f5e-0000-7000-8000-000000000002' };
const tokens = accessTokens(SECRET);

const HEADER = { alg: 'HS256', typ: 'at+jwt' };
const now = (): number => Math.floor(Date.now() / 1000);
const claims = () => ({
  sub: SUBJECT.userId,
  sid: SUBJECT.session,
  iss: 'voiceoi',
  aud: 'voiceoi-api',
  iat: now(),
  exp: now() + 900,
});

/** A token by hand, signed with the secret by whatever hash its header names, or left unsigned. */
function make(header: object, payload: object, { secret = SECRET, hash = 'sha256' } = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part(header)}.${part(payload)}`;
  return `${signed}.${hash === '' ? '' : createHmac(hash, secret).update(signed).digest('base64url')}`;
}

test('an access token names its user and session, and no role, for fifteen minutes', async () => {
  const token = await tokens.issue(SUBJECT);
  expect(await tokens.verify(token)).toEqual(SUBJECT);
  const { exp = 0, iat = 0, ...rest } = decodeJwt(token);
  expect(exp - iat).toBe(900);
  expect(rest).toEqual({ sub: SUBJECT.userId, sid: SUBJECT.session, iss: 'voiceoi', aud: 'voiceoi-api' });
  expect(decodeProtectedHeader(token)).toEqual(HEADER);
});

test('one that is made by hand in the same way is good, so that the refusals below mean something', async () => {
  expect(await tokens.verify(make(HEADER, claims()))).toEqual(SUBJECT);
});

test.each([
  ['another key', make(HEADER, claims(), { secret: 'another secret that is long enough too' })],
  ['no algorithm', make({ ...HEADER, alg: 'none' }, claims(), { hash: '' })],
  ['no algorithm, written otherwise', make({ ...HEADER, alg: 'nOnE' }, claims(), { hash: '' })],
  ['no signature', make(HEADER, claims(), { hash: '' })],
  ['no algorithm and a signature', make({ ...HEADER, alg: 'none' }, claims())],
  ['a stronger algorithm', make({ ...HEADER, alg: 'HS512' }, claims(), { hash: 'sha512' })],
  ['one algorithm named and another used', make({ ...HEADER, alg: 'HS512' }, claims())],
  ['a public-key algorithm over the secret', make({ ...HEADER, alg: 'RS256' }, claims())],
  ['a critical header', make({ ...HEADER, crit: ['x'], x: 1 }, claims())],
  ['a key of its own', make({ ...HEADER, jwk: { kty: 'oct', k: 'eA' } }, claims(), { secret: 'x' })],
  ['no type', make({ alg: 'HS256' }, claims())],
  ['the type of other tokens', make({ ...HEADER, typ: 'JWT' }, claims())],
  ['another issuer', make(HEADER, { ...claims(), iss: 'somebody' })],
  ['another audience', make(HEADER, { ...claims(), aud: 'somebody' })],
  ['no audience', make(HEADER, { ...claims(), aud: undefined })],
  ['its time over', make(HEADER, { ...claims(), exp: now() - 1 })],
  ['no end', make(HEADER, { ...claims(), exp: undefined })],
  ['its time to come', make(HEADER, { ...claims(), nbf: now() + 60 })],
  ['no session', make(HEADER, { ...claims(), sid: undefined })],
  ['no user', make(HEADER, { ...claims(), sub: undefined })],
  ['a user that cannot be', make(HEADER, { ...claims(), sub: "' OR true" })],
  ['nothing', ''],
  ['nonsense', 'a.b.c'],
])('a token with %s is none', async (_what, token) => expect(await tokens.verify(token)).toBeUndefined());

test('a token that was altered is none', async () => {
  const [header, , signature] = (await tokens.issue(SUBJECT)).split('.');
  const payload = Buffer.from(JSON.stringify({ ...claims(), sub: SUBJECT.session })).toString('base64url');
  expect(await tokens.verify(`${header}.${payload}.${signature}`)).toBeUndefined();
});

test('a token by a private key is none, even to a master whose secret is the public key', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const confused = accessTokens(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', typ: 'at+jwt' }).sign(privateKey);
  expect(await confused.verify(token)).toBeUndefined();
});
