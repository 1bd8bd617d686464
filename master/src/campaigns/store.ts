import type { Campaign, Canary } from '@voiceoi/contracts';
import { hasSqlState, type Queryable, UNIQUE_VIOLATION } from '../database/index.ts';
import { etagOf, notFound, ProblemError } from '../http/index.ts';

/** What a campaign is set to; `version` null is `latest`. */
export interface CampaignFields {
  readonly name: string;
  readonly status: 'active' | 'paused';
  readonly script_id: string;
  readonly version: number | null;
  readonly variables: { readonly [name: string]: unknown };
  readonly lead_variables: readonly string[];
}

interface Row extends CampaignFields {
  readonly id: string;
  readonly plays_version: number | null;
  readonly canary: Campaign['canary'] | null;
  readonly row_version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const SELECT = `SELECT c.id, c.name, c.status, c.script_id, c.version, c.variables, c.lead_variables, c.canary, c.row_version, c.created_at, c.updated_at,
  coalesce(c.canary_base, c.version, nullif(s.latest_version, 0)) AS plays_version
FROM campaign c JOIN script s ON s.org_id = c.org_id AND s.id = c.script_id`;

export async function listCampaigns(
  db: Queryable,
  orgId: string,
  after: string | undefined,
  limit: number,
): Promise<readonly Campaign[]> {
  const sql = `${SELECT} WHERE c.org_id = $1 AND c.id COLLATE "C" > $2 ORDER BY c.id COLLATE "C" LIMIT $3`;
  return (await db.query<Row>(sql, [orgId, after ?? '', limit])).rows.map(campaign);
}

export interface StoredCampaign {
  readonly campaign: Campaign;
  readonly fields: CampaignFields;
  readonly rowVersion: number;
}

/** @throws ProblemError when it is not there */
export async function getCampaign(db: Queryable, orgId: string, id: string): Promise<StoredCampaign> {
  const found = await findCampaign(db, orgId, id);
  if (!found) throw notFound(`campaign "${id}" in organization "${orgId}"`);
  return found;
}

export async function findCampaign(db: Queryable, orgId: string, id: string): Promise<StoredCampaign | undefined> {
  const row = (await db.query<Row>(`${SELECT} WHERE c.org_id = $1 AND c.id = $2`, [orgId, id])).rows[0];
  return row && { campaign: campaign(row), fields: row, rowVersion: row.row_version };
}

const VALUES = '$3, $4, $5, $6, $7::jsonb, $8::jsonb';
const parameters = (orgId: string, id: string, fields: CampaignFields): readonly unknown[] => [
  orgId,
  id,
  fields.name,
  fields.status,
  fields.script_id,
  fields.version,
  JSON.stringify(fields.variables),
  JSON.stringify(fields.lead_variables),
];

/** @throws ProblemError when the id is taken */
export async function insertCampaign(db: Queryable, orgId: string, id: string, fields: CampaignFields): Promise<void> {
  try {
    const columns = 'org_id, id, name, status, script_id, version, variables, lead_variables';
    await db.query(`INSERT INTO campaign (${columns}) VALUES ($1, $2, ${VALUES})`, parameters(orgId, id, fields));
  } catch (error) {
    if (hasSqlState(error, UNIQUE_VIOLATION))
      throw new ProblemError('ALREADY_EXISTS', `There is a campaign "${id}" already`);
    throw error;
  }
}

/** A canary stands until it is withdrawn, but not for another script. */
export async function updateCampaign(db: Queryable, orgId: string, id: string, fields: CampaignFields): Promise<void> {
  const set = '(name, status, script_id, version, variables, lead_variables)';
  const canary =
    'canary = CASE WHEN script_id = $5 THEN canary END, canary_base = CASE WHEN script_id = $5 THEN canary_base END';
  const sql = `UPDATE campaign SET ${set} = (${VALUES}), ${canary}, row_version = row_version + 1, updated_at = now() WHERE org_id = $1 AND id = $2`;
  await db.query(sql, parameters(orgId, id, fields));
}

const TOUCH = 'row_version = row_version + 1, updated_at = now() WHERE org_id = $1 AND id = $2';

/** Sets a canary, or another one: everyone else keeps what the campaign plays now. The script must have a version. */
export async function setCanary(db: Queryable, orgId: string, id: string, canary: Canary): Promise<void> {
  const latest = 'SELECT s.latest_version FROM script s WHERE s.org_id = campaign.org_id AND s.id = campaign.script_id';
  const sql = `UPDATE campaign SET canary = $3::jsonb, canary_base = coalesce(canary_base, version, (${latest})), ${TOUCH}`;
  await db.query(sql, [orgId, id, JSON.stringify(canary)]);
}

/** The campaign plays again what it is set to, `latest` or a number. */
export async function withdrawCanary(db: Queryable, orgId: string, id: string): Promise<void> {
  await db.query(`UPDATE campaign SET canary = NULL, canary_base = NULL, ${TOUCH}`, [orgId, id]);
}

export async function promoteCanary(db: Queryable, orgId: string, id: string, version: number): Promise<void> {
  await db.query(`UPDATE campaign SET canary = NULL, canary_base = NULL, version = $3, ${TOUCH}`, [orgId, id, version]);
}

export async function deleteCampaign(db: Queryable, orgId: string, id: string): Promise<void> {
  await db.query('DELETE FROM campaign WHERE org_id = $1 AND id = $2', [orgId, id]);
}

function campaign(row: Row): Campaign {
  const { version, canary, row_version, created_at, updated_at, lead_variables, variables, ...rest } = row;
  return {
    ...rest,
    version: version ?? 'latest',
    variables: { ...variables },
    lead_variables: [...lead_variables],
    ...(canary && { canary }),
    etag: etagOf(row_version),
    created_at: created_at.toISOString(),
    updated_at: updated_at.toISOString(),
  };
}
