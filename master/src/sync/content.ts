import { createHash } from 'node:crypto';
import type { BundleCampaign, BundleContent, OrgSettings } from '@voiceoi/contracts';
import { canonicalJson } from '@voiceoi/kernel';
import type { Queryable } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import { scriptEntries, type VersionId } from './script-entries.ts';

/**
 * Reads an organization's content and its sha256. One for each process, for what it remembers. What is read belongs together only where nothing can
 * change between its statements: while the organization's row is locked, or in a repeatable-read transaction.
 */
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

// The version by a lookup for each campaign and not by a join: without statistics, which embedded Postgres never has, the join compares all with all.
const CAMPAIGNS = `SELECT c.id, c.name, c.status, c.script_id, c.variables, c.lead_variables, c.canary, c.updated_at,
  coalesce(c.canary_base, c.version, (SELECT nullif(s.latest_version, 0) FROM script s WHERE s.org_id = c.org_id AND s.id = c.script_id)) AS version
FROM campaign c WHERE c.org_id = $1 ORDER BY c.id COLLATE "C"`;

export function contentReader(): ContentReader {
  const scripts = scriptEntries();
  return {
    read: async (db, orgId) => {
      const organization = await readOrganization(db, orgId);
      const { rows } = await db.query<CampaignRow>(CAMPAIGNS, [orgId]);
      const campaigns = rows.map(bundleCampaign);
      const played = await scripts.load(db, orgId, playedVersions(campaigns));
      return { org_id: orgId, ...organization, campaigns, scripts: played };
    },
    sha256: (content) => {
      const { org_id, epoch, revision, settings, campaigns } = content;
      // Names in RFC 8785 order: campaigns, epoch, org_id, revision, scripts, settings.
      const hash = createHash('sha256').update(canonicalJson({ campaigns, epoch, org_id, revision }).slice(0, -1));
      hash.update(',"scripts":[');
      content.scripts.forEach((entry, index) => {
        hash.update(`${index === 0 ? '' : ','}${scripts.canonical(org_id, entry)}`);
      });
      return hash.update(`],"settings":${canonicalJson(settings)}}`).digest('hex');
    },
  };
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
function playedVersions(campaigns: readonly BundleCampaign[]): readonly VersionId[] {
  const versions = campaigns.flatMap(({ script_id, version, canary }) =>
    [version, canary?.version].flatMap((number) => (number == null ? [] : [[script_id, number] as const])),
  );
  const distinct = new Map(versions.map((entry) => [entry.join('@'), entry]));
  return [...distinct.values()].sort(([a, m], [b, n]) => (a === b ? m - n : a < b ? -1 : 1));
}
