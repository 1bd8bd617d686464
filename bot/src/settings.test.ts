import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '@voiceoi/kernel';
import { afterAll, describe, expect, test } from 'vitest';
import { keyOf } from '../../test/services/sync-world.ts';
import { advertised, BOT_PROCESS_VARIABLES, checkBotSettings, keysOf } from './settings.ts';
import { readBootstrap } from './settings-files.ts';

const root = mkdtempSync(join(tmpdir(), 'voiceoi-settings-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const abc = keyOf('abc').text;
const other = keyOf('other', 3).text;
const read = (...argv: readonly string[]) =>
  readSettings(BOT_PROCESS_VARIABLES, { argv: ['SYNC_MASTER_URL=http://master:4000', ...argv], env: {} });
const names = (problems: readonly { readonly name: string }[]) => problems.map(({ name }) => name);

describe('the settings of a node', () => {
  test('need nothing but a master and a key, and have the contract’s defaults', () => {
    const settings = read(`SYNC_SECRET_KEY=${abc}`);
    expect(settings).toMatchObject({
      AGI_PORT: 4573,
      HTTP_PORT: 4580,
      OPS_PORT: 9465,
      HOST: '0.0.0.0',
      MAX_CALLS: 1000,
    });
    expect(settings).toMatchObject({
      DRAIN_SECONDS: 3600,
      ANNOUNCE_SECONDS: 0,
      FLUSH_SECONDS: 20,
      LOG_FLUSH_SECONDS: 1,
    });
    expect(settings).toMatchObject({ DATA_DIR: './.voiceoi', POOL: 'default', LOG_LEVEL: 'info' });
    expect(settings.NODE_ID).toMatch(/^[a-z0-9][a-z0-9.-]{0,62}$/);
    expect(checkBotSettings(settings)).toEqual([]);
  });

  test('take several keys, one for each organization', () => {
    const keys = keysOf(read(`SYNC_SECRET_KEY=${abc}, ${other}`));
    expect(keys).toEqual([abc, other]);
  });

  test('take several generations of a key: the last one is the first to be used', () => {
    const [second, third] = [keyOf('abc', 2).text, keyOf('abc', 3).text];
    expect(keysOf(read(`SYNC_SECRET_KEY=${abc},${third},${other},${second}`))).toEqual([second, third, abc, other]);
  });

  test.each(['voi_abc_1_short', 'secret', `${abc}0`, abc.toUpperCase()])(
    'refuse %s as a key, and do not show it',
    (key) => {
      expect(() => read(`SYNC_SECRET_KEY=${key}`)).toThrow('SYNC_SECRET_KEY should be keys of the form');
      expect(() => read(`SYNC_SECRET_KEY=${key}`)).not.toThrow(key);
    },
  );

  test('need a key or a folder of keys', () => {
    expect(names(checkBotSettings(read()))).toEqual(['SYNC_SECRET_KEY']);
    expect(checkBotSettings(read(`SYNC_SECRET_KEYS_DIR=${root}`))).toEqual([]);
  });

  test.each(['Node_1', '-a', 'x'.repeat(64)])('refuse %s as a node’s name', (name) => {
    expect(names(checkBotSettings(read(`SYNC_SECRET_KEY=${abc}`, `NODE_ID=${name}`)))).toEqual(['NODE_ID']);
  });

  test('say that they do not know yet what a drain by file needs, rather than pass it over', () => {
    const settings = read(`SYNC_SECRET_KEY=${abc}`, 'DRAIN_FILE=/run/drain', 'ON_DEADLINE=Hangup');
    expect(names(checkBotSettings(settings))).toEqual(['DRAIN_FILE', 'ON_DEADLINE']);
  });
});

test('others are told the address that a node was given, else where it listens', () => {
  const told = (...argv: readonly string[]) =>
    advertised(read(`SYNC_SECRET_KEY=${abc}`, ...argv), { agi: 4574, http: 81 });
  expect(told('HOST=10.0.0.9')).toEqual({ advertise_url: 'http://10.0.0.9:81', advertise_agi: '10.0.0.9:4574' });
  expect(told('HOST=::1')).toEqual({ advertise_url: 'http://[::1]:81', advertise_agi: '[::1]:4574' });
  expect(told('ADVERTISE_URL=http://bot.example:90', 'ADVERTISE_AGI=bot.example:91')).toEqual({
    advertise_url: 'http://bot.example:90',
    advertise_agi: 'bot.example:91',
  });
  for (const host of ['0.0.0.0', '::']) expect(told(`HOST=${host}`).advertise_agi).toMatch(/^\d+\.\d+\.\d+\.\d+:4574$/);
});

test('a bootstrap file is JSON that can be read', () => {
  const path = join(root, 'bootstrap.json');
  writeFileSync(path, '{"schema":1}');
  expect(readBootstrap(path)).toEqual({ bundle: { schema: 1 }, problems: [] });
  expect(readBootstrap(undefined)).toEqual({ problems: [] });
  writeFileSync(path, '{');
  expect(readBootstrap(path).problems).toMatchObject([
    { name: 'BOOTSTRAP_FILE', message: expect.stringContaining('no JSON') },
  ]);
  expect(readBootstrap(join(root, 'none')).problems).toMatchObject([
    { message: expect.stringContaining('cannot be read') },
  ]);
});
