import type { Bundle } from '@voiceoi/contracts';
import type { Database } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import type { ContentReader } from './content.ts';
import { type EncodedText, encodedText } from './encoding.ts';
import type { SecretSource } from './secret-source.ts';

/** Where an organization's configuration is. */
export interface Head {
  readonly epoch: string;
  readonly revision: number;
}

/** An organization's bundle at one revision, ready to be sent. */
export interface PreparedBundle extends Head {
  /** Weak: every encoding has the same, and `generated_at` is not part of it. */
  readonly etag: string;
  /** The bundle. */
  readonly body: EncodedText;
  /** The bundle as the answer to a node that is too far behind. */
  readonly answer: EncodedText;
}

/** Prepares bundles and keeps those used last. */
export interface Bundles {
  /** At the newest revision that was committed when it was asked for, or a newer one. @throws ProblemError when the organization is not there */
  current(orgId: string): Promise<PreparedBundle>;
}

interface KeptHead extends Head {
  /** An organization that was deleted and made anew counts its revisions anew. */
  readonly madeAt: number;
  /** Good key generations: the way into the bus comes with the newest, and secrets are sealed for each. */
  readonly keys: string;
}

interface Kept {
  readonly head: KeptHead;
  readonly bundle: PreparedBundle;
}

/** Tells an organization's nodes where changes come from. */
export type BusOf = (orgId: string) => Promise<Bundle['bus']>;

/** Prepares each bundle once, however many nodes ask for it at once; `maxCharacters` bounds what is kept. */
export function bundles(
  database: Database,
  reader: ContentReader,
  secretSource: SecretSource,
  busOf: BusOf,
  maxCharacters = 128 * 1024 * 1024,
): Bundles {
  const kept = new Map<string, Kept>();
  const preparing = new Map<string, Promise<Kept>>();

  const keep = (orgId: string, one: Kept): void => {
    kept.delete(orgId);
    kept.set(orgId, one);
    let characters = [...kept.values()].reduce((sum, { bundle }) => sum + bundle.body.text.length, 0);
    for (const [oldest, { bundle }] of kept) {
      if (characters <= maxCharacters || oldest === orgId) break;
      kept.delete(oldest);
      characters -= bundle.body.text.length;
    }
  };
  const prepare = async (orgId: string): Promise<Kept> => {
    const { content, secrets, head } = await database.transaction(async (tx) => {
      // One moment for all statements: else the campaigns of a later revision could come under an earlier number.
      await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      return {
        head: await readKeptHead(tx, orgId),
        content: await reader.read(tx, orgId),
        secrets: await secretSource.entries(tx, orgId),
      };
    });
    const sha256 = reader.sha256(content);
    const generated_at = new Date().toISOString();
    const bundle: Bundle = { schema: 1, ...content, sha256, generated_at, secrets, bus: await busOf(orgId) };
    const made = { head, bundle: prepared(bundle) };
    keep(orgId, made);
    return made;
  };

  return {
    current: async (orgId) => {
      const now = await readKeptHead(database, orgId);
      const known = kept.get(orgId);
      if (known && isSame(known.head, now)) return known.bundle;
      // What is being prepared may have been begun before the newest commit: then it is made once more.
      for (let running = preparing.get(orgId); running; running = preparing.get(orgId)) {
        const { head, bundle } = await running;
        if (isSame({ ...head, revision: now.revision }, now) && head.revision >= now.revision) return bundle;
      }
      const running = prepare(orgId).finally(() => preparing.delete(orgId));
      preparing.set(orgId, running);
      return (await running).bundle;
    },
  };
}

/** Where an organization is. @throws ProblemError when it is not there */
export async function readHead(db: Pick<Database, 'query'>, orgId: string): Promise<Head> {
  const { epoch, revision } = await readKeptHead(db, orgId);
  return { epoch, revision };
}

const HEAD = `SELECT i.epoch, o.revision, o.created_at,
  (SELECT string_agg(k.generation::text, ',' ORDER BY k.generation) FROM organization_key k
    WHERE k.org_id = o.id AND k.revoked_at IS NULL AND (k.not_after IS NULL OR k.not_after > now())) AS keys
FROM organization o CROSS JOIN instance i WHERE o.id = $1`;

async function readKeptHead(db: Pick<Database, 'query'>, orgId: string): Promise<KeptHead> {
  const row = (await db.query<Head & { readonly created_at: Date; readonly keys: string | null }>(HEAD, [orgId]))
    .rows[0];
  if (!row) throw notFound(`organization "${orgId}"`);
  return { epoch: row.epoch, revision: row.revision, madeAt: row.created_at.getTime(), keys: row.keys ?? '' };
}

function isSame(a: KeptHead, b: KeptHead): boolean {
  return a.madeAt === b.madeAt && a.keys === b.keys && a.epoch === b.epoch && a.revision === b.revision;
}

function prepared(bundle: Bundle): PreparedBundle {
  const { epoch, revision, sha256 } = bundle;
  const json = JSON.stringify(bundle);
  return {
    epoch,
    revision,
    etag: `W/"${epoch}:${revision}:${sha256.slice(0, 16)}"`,
    body: encodedText(json),
    answer: encodedText(`{"intent":"full","bundle":${json}}`),
  };
}
