import { createHash } from 'node:crypto';
import type { BundleCampaign, BundleContent, BundleScript, OrgSettings } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';

/** Script versions never change, so what was read and made canonical once is kept. */
interface KnownScript {
  readonly entry: BundleScript;
  readonly canonical: string;
}

/** Characters of canonical text that are kept. */
const CACHE_CHARACTERS = 128 * 1024 * 1024;

/** Reads an organization's content and its sha256. One for each process, for what it remembers. */
export interface ContentReader {
  read(db: Queryable, orgId: string): Promise<BundleContent>;
  /** The same value as `bundleSha256`, without making every script canonical anew. */
  sha256(content: BundleContent): string;
}

interface CampaignRow {
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'paused';
  readonly script_id: string;
  readonly version: number | null;
  readonly variables: BundleCampaign['variables'];
  readonly lead_variables: string[];
  readonly canary: BundleCampaign['canary'] | null;
  readonly updated_at: Date;
}

const CAMPAIGNS = `SELECT c.id, c.name, c.status, c.script_id, c.variables, c.lead_variables, c.canary, c.updated_at,
  coalesce(c.version, nullif(s.latest_version, 0)) AS version
FROM campaign c JOIN script s ON s.org_id = c.org_id AND s.id = c.script_id
WHERE c.org_id = $1 ORDER BY c.id COLLATE "C"`;

const SCRIPTS = `SELECT script_id AS id, version, document, sha256 FROM script_version
WHERE org_id = $1 AND (script_id, version) IN (SELECT * FROM unnest($2::text[], $3::int[]))`;

export function contentReader(): ContentReader {
  const known = new Map<string, KnownScript>();
  let characters = 0;

  const remember = (key: string, entry: BundleScript): KnownScript => {
    const canonical = canonicalJson(entry);
    const made = { entry, canonical };
    if (canonical.length > CACHE_CHARACTERS) return made;
    for (const [oldest, value] of known) {
      if (characters + canonical.length <= CACHE_CHARACTERS) break;
      known.delete(oldest);
      characters -= value.canonical.length;
    }
    known.set(key, made);
    characters += canonical.length;
    return made;
  };

  const canonicalOf = (orgId: string, entry: BundleScript): string => {
    const key = keyOf(orgId, entry.id, entry.version);
    const found = known.get(key);
    return found?.entry === entry ? found.canonical : canonicalJson(entry);
  };

  return {
    read: async (db, orgId) => {
      const organization = await readOrganization(db, orgId);
      const { rows } = await db.query<CampaignRow>(CAMPAIGNS, [orgId]);
      const campaigns = rows.map(bundleCampaign);
      const wanted = playedVersions(campaigns);
      const missing = wanted.filter(([id, version]) => !known.has(keyOf(orgId, id, version)));
      const read = new Map<string, BundleScript>();
      if (missing.length > 0) {
        const found = await db.query<BundleScript>(SCRIPTS, [
          orgId,
          missing.map(([id]) => id),
          missing.map(([, version]) => version),
        ]);
        for (const entry of found.rows)
          read.set(keyOf(orgId, entry.id, entry.version), remember(keyOf(orgId, entry.id, entry.version), entry).entry);
      }
      const scripts = wanted.flatMap(([id, version]) => {
        const key = keyOf(orgId, id, version);
        const entry = read.get(key) ?? known.get(key)?.entry;
        return entry ? [entry] : [];
      });
      return { org_id: orgId, ...organization, campaigns, scripts };
    },
    sha256: (content) => {
      const { org_id, epoch, revision, settings, campaigns } = content;
      const scripts = content.scripts.map((entry) => canonicalOf(org_id, entry)).join(',');
      // Names in RFC 8785 order: campaigns, epoch, org_id, revision, scripts, settings.
      const head = canonicalJson({ campaigns, epoch, org_id, revision }).slice(0, -1);
      return createHash('sha256')
        .update(`${head},"scripts":[${scripts}],"settings":${canonicalJson(settings)}}`)
        .digest('hex');
    },
  };
}

function keyOf(orgId: string, id: string, version: number): string {
  return `${orgId}/${id}@${version}`;
}

async function readOrganization(
  db: Queryable,
  orgId: string,
): Promise<{ epoch: string; revision: number; settings: OrgSettings }> {
  const sql = 'SELECT i.epoch, o.revision, o.settings FROM organization o CROSS JOIN instance i WHERE o.id = $1';
  const row = (await db.query<{ epoch: string; revision: number; settings: OrgSettings }>(sql, [orgId])).rows[0];
  if (!row) throw notFound(`organization "${orgId}"`);
  return row;
}

function bundleCampaign({ canary, updated_at, ...row }: CampaignRow): BundleCampaign {
  return { ...row, ...(canary && { canary }), updated_at: updated_at.toISOString() };
}

/** Every version that a campaign plays, each once, by id then version. */
function playedVersions(campaigns: readonly BundleCampaign[]): readonly (readonly [string, number])[] {
  const versions = campaigns.flatMap(({ script_id, version, canary }) =>
    [version, canary?.version].flatMap((number) => (number == null ? [] : [[script_id, number] as const])),
  );
  const distinct = new Map(versions.map((entry) => [entry.join('@'), entry]));
  return [...distinct.values()].sort(([a, m], [b, n]) => (a === b ? m - n : a < b ? -1 : 1));
}
