import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import {
  checkDataDir,
  checkPorts,
  cidrs,
  email,
  flag,
  hostPort,
  integer,
  list,
  oneOf,
  port,
  readCommandLine,
  readSettings,
  secret,
  secrets,
  text,
  url,
} from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'voiceoi-settings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VARIABLES = {
  DB_HOST: text().required().about('host of Postgres'),
  DB_PASS: secret(),
  JWT_SECRET: secret({ minLength: 32 }).required(),
  PORT: port(4000),
  MAX_CALLS: integer({ min: 1, max: 100, default: 10 }),
  PUBLIC_URL: url('http://localhost:4000'),
  DB_SSL: flag(false),
  AGI_ALLOWED_CIDRS: cidrs(),
};
const GOOD = { DB_HOST: 'db', JWT_SECRET: 'x'.repeat(32) };

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function problems(argv: readonly string[], env: { readonly [name: string]: string }): readonly string[] {
  try {
    readSettings(VARIABLES, { argv, env });
    return [];
  } catch (error) {
    return (error as { problems: { name: string; message: string }[] }).problems.map(
      ({ name, message }) => `${name} ${message}`,
    );
  }
}

describe('settings', () => {
  test('come from words first, then from the environment, then from their defaults', () => {
    const values = readSettings(VARIABLES, {
      argv: ['PORT=5000', 'DB_HOST=words'],
      env: { ...GOOD, PORT: '6000', MAX_CALLS: '7' },
    });
    expect(values).toMatchObject({
      PORT: 5000,
      DB_HOST: 'words',
      MAX_CALLS: 7,
      PUBLIC_URL: 'http://localhost:4000',
      DB_SSL: false,
      AGI_ALLOWED_CIDRS: [],
    });
    expect(values.DB_PASS).toBeUndefined();
  });

  test('keep everything after the first = of a word', () => {
    expect(readSettings(VARIABLES, { argv: ['DB_PASS=a=b=c'], env: GOOD }).DB_PASS).toBe('a=b=c');
  });

  test('are read from files without the last line break, from words and environment alike', () => {
    const path = file('pass', 'geheim\n');
    expect(readSettings(VARIABLES, { argv: [], env: { ...GOOD, DB_PASS_FILE: path } }).DB_PASS).toBe('geheim');
    expect(readSettings(VARIABLES, { argv: [`DB_PASS_FILE=${path}`], env: { ...GOOD, DB_PASS: 'env' } }).DB_PASS).toBe(
      'geheim',
    );
  });

  test('that are empty count as not set', () => {
    expect(readSettings(VARIABLES, { argv: [], env: { ...GOOD, PORT: '' } }).PORT).toBe(4000);
  });

  test('are refused all at once, each with its name and what it should be', () => {
    expect(
      problems(['PORT=http', 'what'], {
        MAX_CALLS: '101',
        PUBLIC_URL: 'localhost',
        DB_SSL: 'maybe',
        AGI_ALLOWED_CIDRS: '10.0.0.0/8,nonsense',
        JWT_SECRET: 'short',
      }),
    ).toEqual([
      '"what" is not understood: settings are written KEY=VALUE',
      'DB_HOST is not set: host of Postgres',
      'JWT_SECRET should be a secret of at least 32 characters',
      'PORT should be a port number from 1 to 65535; it is "http"',
      'MAX_CALLS should be a whole number from 1 to 100; it is "101"',
      'PUBLIC_URL should be an address such as http://master.example:4000; it is "localhost"',
      'DB_SSL should be true or false; it is "maybe"',
      expect.stringContaining('"nonsense" is none'),
    ]);
  });

  test('never show a secret in a problem', () => {
    expect(problems(['JWT_SECRET=hunter2'], GOOD).join()).not.toContain('hunter2');
  });

  test('name a word that nobody knows, and the one that was meant', () => {
    expect(problems(['DB_HSOT=x', 'NONSENSE=1'], GOOD)).toEqual([
      'DB_HSOT is not a setting of this process; did you mean DB_HOST?',
      'NONSENSE is not a setting of this process',
    ]);
  });

  test('given twice, in a missing file or in an empty one are problems', () => {
    expect(problems([], { ...GOOD, DB_PASS: 'x', DB_PASS_FILE: 'y' })).toEqual([
      'DB_PASS is given twice: as DB_PASS and as DB_PASS_FILE',
    ]);
    expect(problems([], { ...GOOD, DB_PASS_FILE: join(folder, 'none') })[0]).toContain('(ENOENT)');
    expect(problems([], { ...GOOD, DB_PASS_FILE: file('empty', '\n') })[0]).toContain('has nothing in it');
  });

  test('read lists, words, addresses and e-mails', () => {
    const variables = {
      KEYS: secrets((key) => key),
      NAMES: list(),
      MODE: oneOf(['a', 'b'], 'a'),
      MAIL: email('a@localhost'),
      AT: hostPort(),
    };
    expect(readSettings(variables, { argv: ['KEYS= k1 ,k2,', 'AT=[2001:db8::7]:4573'], env: {} })).toEqual({
      KEYS: ['k1', 'k2'],
      NAMES: [],
      MODE: 'a',
      MAIL: 'a@localhost',
      AT: '[2001:db8::7]:4573',
    });
    expect(() => readSettings(variables, { argv: ['AT=host', 'MAIL=nobody', 'MODE=c'], env: {} })).toThrow(
      /3 settings/,
    );
  });
});

describe('command line', () => {
  const options = { usage: 'usage: voiceoi', variables: VARIABLES, env: GOOD };

  test('prints what was understood with secrets masked', async () => {
    expect(await readCommandLine({ ...options, argv: ['--print-config', 'DB_PASS=geheim'] })).toMatchObject({
      kind: 'exit',
      code: 0,
      stdout: expect.stringMatching(/DB_HOST=db\nDB_PASS=\*\*\*\nJWT_SECRET=\*\*\*\nPORT=4000/),
    });
  });

  test('explains every setting', async () => {
    const help = await readCommandLine({ ...options, argv: ['--help'] });
    expect(help).toMatchObject({
      kind: 'exit',
      code: 0,
      stdout: expect.stringContaining('DB_HOST            host of Postgres (required)'),
    });
  });

  test('reports what only trying shows together with what is written wrong', async () => {
    const refused = await readCommandLine({
      ...options,
      argv: ['MAX_CALLS=none'],
      check: async ({ PORT }) => [{ name: 'PORT', message: `is ${PORT}, and taken` }],
    });
    expect(refused).toMatchObject({
      kind: 'exit',
      code: 78,
      stderr: expect.stringMatching(/2 settings[\s\S]*MAX_CALLS should[\s\S]*PORT is 4000, and taken/),
    });
  });
});

describe('what only trying shows', () => {
  let taken: Server | undefined;
  afterEach(() => taken?.close());

  test('a taken port, and one that two settings claim', async () => {
    taken = createServer();
    await new Promise<void>((resolve) => taken?.listen(0, '127.0.0.1', resolve));
    const number = (taken.address() as { port: number }).port;
    const found = await checkPorts([
      { name: 'PORT', host: '127.0.0.1', port: number },
      { name: 'OPS_PORT', host: '127.0.0.1', port: number },
      { name: 'AGI_PORT', host: '127.0.0.1', port: 0 },
      { name: 'HTTP_PORT', host: '127.0.0.1', port: undefined },
    ]);
    expect(found).toEqual([
      {
        name: 'PORT',
        message: `is ${number}, and another process listens there: stop it, or choose another with PORT=PORT`,
      },
      { name: 'OPS_PORT', message: `and PORT are both ${number}: each needs a port of its own` },
    ]);
  });

  test('a folder that is a file, and one that can be made', async () => {
    const path = file('not-a-folder', 'x');
    expect(await checkDataDir(path)).toEqual([{ name: 'DATA_DIR', message: expect.stringContaining('not a folder') }]);
    expect(await checkDataDir(join(path, 'below'))).toEqual([
      { name: 'DATA_DIR', message: expect.stringContaining('not a folder') },
    ]);
    expect(await checkDataDir(join(folder, 'new', 'deep'))).toEqual([]);
  });
});
