import { parseArgs } from 'node:util';
import { collectSettings, describeProblems, EXIT_SETTINGS, email, secret } from '@voiceoi/kernel';
import { Pool } from 'pg';
import * as audit from './audit/index.ts';
import { createAdministrator } from './auth/index.ts';
import { type Database, migrate, POSTGRES_TYPES, postgresDatabase } from './database/index.ts';
import { DATABASE_VARIABLES, poolConfig } from './settings.ts';

interface Command {
  readonly help: string;
  run(database: Database): Promise<string>;
}

const VARIABLES = {
  ...DATABASE_VARIABLES,
  DB_HOST: DATABASE_VARIABLES.DB_HOST.required(),
  ADMIN_EMAIL: email('admin@localhost').about('whom create-admin makes'),
  ADMIN_PASSWORD: secret({ minLength: 8 }).about('their password; generated without it'),
};

const [name = '--help', ...argv] = process.argv.slice(2);
const { words, known = [], org, misuse } = wordsOf(name, argv);
const { values, problems } = collectSettings(VARIABLES, { argv: words, env: process.env });

const COMMANDS: { readonly [name: string]: Command } = {
  migrate: {
    help: 'bring the database to this version (a master does so when it starts)',
    run: async (database) => {
      const applied = await migrate(database);
      return applied.length === 0 ? 'The database is at this version already.' : `Applied: ${applied.join(', ')}`;
    },
  },
  'create-admin': {
    help: 'make another administrator: ADMIN_EMAIL=…, ADMIN_PASSWORD=… or generated',
    run: async (database) => {
      const made = await createAdministrator(database, values.ADMIN_EMAIL ?? 'admin@localhost', values.ADMIN_PASSWORD);
      return values.ADMIN_PASSWORD
        ? `Made ${made.email}.`
        : `Made ${made.email} with the password ${made.password} (shown this once).`;
    },
  },
  'new-epoch': {
    help: 'after a restore of a backup: every node takes its whole configuration anew',
    run: async (database) => {
      const epoch = crypto.randomUUID();
      await database.transaction(async (tx) => {
        await tx.query('UPDATE instance SET epoch = $1', [epoch]);
        const after = { epoch };
        await audit.record(tx, { orgId: audit.INSTANCE, action: 'instance.new_epoch', target: 'instance', after });
      });
      return `The epoch is ${epoch} now. Restart the masters.`;
    },
  },
  'verify-audit': {
    help: 'check the chains of the audit log, or one with --org ID; --known LINE (of an earlier run, kept elsewhere) must hold still',
    run: async (database) => audit.describeChains(await audit.verifyAudit(database, known.map(audit.parseHead), org)),
  },
};

const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
if (name === '--help' || name === '-h') console.log(help());
else if (!command) fail(`There is no command "${name}".\n\n${help()}`, 2);
else if (misuse !== undefined) fail(misuse, 2);
else if (problems.length > 0) fail(describeProblems(problems), EXIT_SETTINGS);
else await run(command);

async function run({ run: work }: Command): Promise<void> {
  const settings = {
    DB_PORT: 5432,
    DB_USER: 'voiceoi',
    DB_NAME: 'voiceoi',
    DB_SSL: false,
    DB_HOST: undefined,
    DB_PASS: undefined,
    ...values,
  };
  const database = postgresDatabase(new Pool({ ...poolConfig(settings), types: POSTGRES_TYPES }));
  try {
    console.log(await audit.withOrigin(audit.systemOrigin(`admin ${name}`), () => work(database)));
  } catch (error) {
    fail(error instanceof Error ? error.message || 'The database cannot be reached.' : String(error), 1);
  } finally {
    await database.close();
  }
}

interface Words {
  readonly words: readonly string[];
  readonly known?: readonly string[];
  readonly org?: string;
  readonly misuse?: string;
}

/** Only verify-audit takes options beside settings. */
function wordsOf(command: string, args: readonly string[]): Words {
  if (command !== 'verify-audit') return { words: args };
  try {
    const { values: given, positionals } = parseArgs({
      args: [...args],
      options: { org: { type: 'string' }, known: { type: 'string', multiple: true } },
      allowPositionals: true,
    });
    return { words: positionals, ...given };
  } catch (error) {
    return { words: [], misuse: error instanceof Error ? error.message : String(error) };
  }
}

function help(): string {
  const lines = Object.entries(COMMANDS).map(([word, { help: text }]) => `  ${word.padEnd(14)}${text}`);
  return [
    'Usage: npm run admin -- COMMAND [KEY=VALUE…]   (the database as for a master: DB_HOST, DB_PASS_FILE, …)',
    '',
    ...lines,
  ].join('\n');
}

function fail(message: string, code: number): void {
  console.error(message);
  process.exitCode = code;
}
