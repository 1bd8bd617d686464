import type { BundleScript } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';

/** A script's id and the number of one of its versions. */
export type VersionId = readonly [id: string, version: number];

/** Script versions as bundles hold them; what was read and made canonical once is kept. */
export interface ScriptEntries {
  /** In the order asked for. While an entry is kept it is the same object each time. */
  load(db: Queryable, orgId: string, wanted: readonly VersionId[]): Promise<BundleScript[]>;
  /** An entry's RFC 8785 text. */
  canonical(orgId: string, entry: BundleScript): string;
}

interface Kept {
  readonly entry: BundleScript;
  readonly canonical: string;
}

interface VersionRow {
  readonly id: string;
  readonly version: number;
  readonly sha256: string;
}

const WANTED = 'org_id = $1 AND (script_id, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))';
const NAMES = `SELECT script_id AS id, version, sha256 FROM script_version WHERE ${WANTED}`;
const ENTRIES = `SELECT script_id AS id, version, document, sha256 FROM script_version WHERE ${WANTED}`;

/**
 * Reads entries and keeps those used last, up to so many characters of canonical text. The digest is part of what names an entry: a version
 * number comes again with another content when its transaction was rolled back, or its script deleted and made anew.
 */
export function scriptEntries(maxCharacters = 128 * 1024 * 1024): ScriptEntries {
  const kept = new Map<string, Kept>();
  let characters = 0;

  const forget = (key: string): void => {
    characters -= kept.get(key)?.canonical.length ?? 0;
    kept.delete(key);
  };
  const keep = (key: string, one: Kept): void => {
    forget(key);
    kept.set(key, one);
    characters += one.canonical.length;
    for (const oldest of kept.keys()) {
      if (characters <= maxCharacters) break;
      forget(oldest);
    }
  };
  const take = (key: string): BundleScript | undefined => {
    const one = kept.get(key);
    if (!one) return undefined;
    kept.delete(key);
    kept.set(key, one);
    return one.entry;
  };
  const read = async (db: Queryable, orgId: string, rows: readonly VersionRow[]): Promise<readonly BundleScript[]> => {
    if (rows.length === 0) return [];
    const found = await db.query<BundleScript>(ENTRIES, [orgId, ...columns(rows.map((row) => [row.id, row.version]))]);
    for (const entry of found.rows) keep(keyOf(orgId, entry), { entry, canonical: canonicalJson(entry) });
    return found.rows;
  };

  return {
    load: async (db, orgId, wanted) => {
      if (wanted.length === 0) return [];
      const names = (await db.query<VersionRow>(NAMES, [orgId, ...columns(wanted)])).rows;
      const entries = new Map<string, BundleScript>();
      const missing = names.filter((name) => {
        const entry = take(keyOf(orgId, name));
        if (entry) entries.set(versionId(name), entry);
        return !entry;
      });
      for (const entry of await read(db, orgId, missing)) entries.set(versionId(entry), entry);
      return wanted.flatMap(([id, version]) => entries.get(versionId({ id, version })) ?? []);
    },
    canonical: (orgId, entry) => {
      const one = kept.get(keyOf(orgId, entry));
      return one?.entry === entry ? one.canonical : canonicalJson(entry);
    },
  };
}

function columns(versions: readonly VersionId[]): readonly [string[], number[]] {
  return [versions.map(([id]) => id), versions.map(([, version]) => version)];
}

function versionId({ id, version }: { readonly id: string; readonly version: number }): string {
  return `${id}@${version}`;
}

function keyOf(orgId: string, row: VersionRow): string {
  return `${orgId}/${versionId(row)}/${row.sha256}`;
}
