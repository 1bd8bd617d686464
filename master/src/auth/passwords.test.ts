import { scryptSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { hashPassword, verifyPassword } from './passwords.ts';

test('a password fits its own hash alone, and no two hashes are the same', async () => {
  const [one, two] = await Promise.all([hashPassword('correct horse'), hashPassword('correct horse')]);
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  expect(one).not.toBe(two);
  expect(await verifyPassword('correct horse', one)).toBe(true);
  expect(await verifyPassword('correct horse', two)).toBe(true);
  expect(await verifyPassword('Correct horse', one)).toBe(false);
});

test('a password is the same however its letters were composed', async () => {
  expect(await verifyPassword('cafe\u0301', await hashPassword('caf\u00e9'))).toBe(true);
});

test('a hash by scrypt is understood', async () => {
  const salt = Buffer.from('0123456789abcdef');
  const tag = scryptSync('secret', salt, 32, { N: 2 ** 15, r: 8, p: 3, maxmem: 256 * 1024 * 1024 });
  const phc = `$scrypt$ln=15,r=8,p=3$${salt.toString('base64')}$${tag.toString('base64')}`.replaceAll('=$', '$');
  const unpadded = phc.replace(/=+(?=\$|$)/g, '');
  expect(await verifyPassword('secret', unpadded)).toBe(true);
  expect(await verifyPassword('other', unpadded)).toBe(false);
});

test.each(['', 'plain', '$argon2id$', '$2b$12$abcdefghijklmnopqrstuv'])(
  'nothing fits what is no hash: %s',
  async (phc) => expect(await verifyPassword(phc, phc)).toBe(false),
);

test('many hashes at once all come to their end', async () => {
  const hash = await hashPassword('x');
  const results = await Promise.all(
    Array.from({ length: 20 }, (_v, index) => verifyPassword(index % 2 ? 'x' : 'y', hash)),
  );
  expect(results.filter(Boolean).length).toBe(10);
});
