import { expect, test } from 'vitest';
import { checkNewPassword } from './password-policy.ts';

const check =
  (password: string, email = 'ada.lovelace@example.com') =>
  () =>
    checkNewPassword(password, email, '/new_password');

test.each([
  'a better password',
  'correct horse battery staple',
  'Kx7#qMz!vB2p',
  'three summers in lisbon',
  'myadminrights are few',
  '314159265358',
  'ünïcödé pässphrase',
])('%s can be chosen', (password) => expect(check(password)).not.toThrow());

test.each([
  'password1234',
  'Password1234!',
  'passwordpassword',
  'administrator',
  '!!qwertyuiop!!',
  '123456789012',
  '987654321098',
  'abcdefghijkl',
  'aaaaaaaaaaaa',
  'abcabcabcabc',
  'changeme-changeme',
  'Welcome Admin 2026',
  'iloveyou12345',
])('%s is refused as too common', (password) =>
  expect(check(password)).toThrow('/new_password: is one of the commonest passwords'),
);

test.each([
  'ada.lovelace@example.com',
  'ADA.LOVELACE@EXAMPLE.COM',
  'ada.lovelace',
  'Ada.Lovelace1815',
  '123ada.lovelace!',
])('%s is refused as the e-mail address', (password) =>
  expect(check(password)).toThrow('must not be the e-mail address'),
);

test.each(['', 'short', 'Kx7#qMz!vB2', '👍👍👍👍👍👍👍👍👍👍👍'])('%s is refused as too short', (password) =>
  expect(check(password)).toThrow('must have 12 characters or more'),
);
