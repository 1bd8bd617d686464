import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Database } from '../database/index.ts';
import { ProblemError } from '../http/index.ts';

const WINDOW_MINUTES = 15;
/** The next block is twice as long, up to four times; a day without failures forgets them. */
const MOST_DOUBLINGS = 2;
const MOST_FAILURES = { account: 5, address: 20 } as const;

type Kind = keyof typeof MOST_FAILURES;

/** Who tries: an account as its e-mail, and the address that the request came from. */
export interface SignInTry {
  readonly account: string;
  readonly address: string;
}

/** Counts failed sign-ins in the database, so that the limits hold over all masters together. */
export interface SignInLimits {
  /** @throws ProblemError 429 with `Retry-After` while the account or the address is blocked */
  check(who: SignInTry): Promise<void>;
  fail(who: SignInTry): Promise<void>;
  /** Forgets the account's failures; an address that guesses many accounts and owns one stays counted. */
  succeed(who: SignInTry): Promise<void>;
}

export function signInLimits(database: Database): SignInLimits {
  return {
    check: async (who) => {
      const { rows } = await database.query<{ wait: number }>(WAIT, [subject('account', who), subject('address', who)]);
      const wait = Math.ceil(rows[0]?.wait ?? 0);
      if (wait > 0)
        throw new ProblemError('TOO_MANY_REQUESTS', `Too many failed sign-ins: try again in ${wait} seconds`, {
          headers: { 'retry-after': String(wait) },
        });
    },
    fail: async (who) => {
      await countFailure(database, 'account', who);
      await countFailure(database, 'address', who);
    },
    succeed: async (who) =>
      void (await database.query('DELETE FROM sign_in_limit WHERE subject = $1', [subject('account', who)])),
  };
}

const WAIT = `SELECT coalesce(max(extract(epoch FROM blocked_until - now())), 0)::float8 AS wait
  FROM sign_in_limit WHERE subject IN ($1, $2) AND blocked_until > now()`;

const RECENT = `(SELECT coalesce(array_agg(at), '{}') FROM unnest(l.failed_at) AS at
  WHERE at > now() - make_interval(mins => $2)) || now()`;

/** One statement, so that failures at the same time at several masters are all counted. */
const FAIL = `INSERT INTO sign_in_limit AS l (subject, failed_at) VALUES ($1, ARRAY[now()])
  ON CONFLICT (subject) DO UPDATE SET failed_at = ${RECENT}, updated_at = now()`;

const BLOCK = `UPDATE sign_in_limit SET failed_at = '{}', blocks = blocks + 1,
    blocked_until = now() + make_interval(mins => $2 * (2 ^ least(blocks, $3))::integer)
  WHERE subject = $1 AND cardinality(failed_at) >= $4`;

async function countFailure(database: Database, kind: Kind, who: SignInTry): Promise<void> {
  const key = subject(kind, who);
  await database.query(FAIL, [key, WINDOW_MINUTES]);
  await database.query(BLOCK, [key, WINDOW_MINUTES, MOST_DOUBLINGS, MOST_FAILURES[kind]]);
}

/** Hashed: people type passwords where their e-mail belongs, and an address is a person's data. */
function subject(kind: Kind, who: SignInTry): Uint8Array {
  const name = kind === 'account' ? who.account.toLowerCase() : network(who.address);
  return createHash('sha256').update(`${kind}:${name}`).digest();
}

/** Whoever has one IPv6 address has the 2^64 of its network, and could use each once. */
export function network(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = (address.split('%')[0] ?? '').split('::');
  const start = head === '' ? [] : head.split(':');
  const end = tail ? tail.split(':') : [];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - start.length - end.length }, () => '0');
  const groups = [...start, ...zeros, ...end].slice(0, 4);
  return groups.map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}

/** Drops what no longer counts. Returns how many. */
export async function trimSignIns(database: Database): Promise<number> {
  const limits = `DELETE FROM sign_in_limit WHERE updated_at < now() - interval '1 day' AND coalesce(blocked_until < now(), true)`;
  const sessions = 'DELETE FROM refresh_token WHERE expires_at < now()';
  return (await database.query(limits)).rowCount + (await database.query(sessions)).rowCount;
}
