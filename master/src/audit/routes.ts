import { AuditItem, AuditQuery, OrgParams } from '@voiceoi/contracts';
import Type from 'typebox';
import type { Database } from '../database/index.ts';
import { type App, type Feature, ListQuery, mustExist, Page, pageOf, pageRequest, route } from '../http/index.ts';
import { AUDIT_COLUMNS, type AuditRow, entryOf, hexOf } from './entry.ts';

// An organization that is made under the name of one that was deleted does not see what that one did.
const LIST = `SELECT ${AUDIT_COLUMNS} FROM audit_log WHERE org_id = $1 AND seq < $2
  AND seq >= coalesce((SELECT max(seq) FROM audit_log WHERE org_id = $1 AND action = 'organization.create'), 0)
  AND ($3::text IS NULL OR action = $3) AND ($4::text IS NULL OR actor->>'id' = $4 OR actor->>'name' = $4)
ORDER BY seq DESC LIMIT $5`;

/** Shows an organization what was done to it. */
export function auditRoutes(database: Database): Feature {
  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/audit',
      route({
        id: 'listAudit',
        tag: 'organizations',
        summary: 'Who changed what, newest first',
        access: 'audit.read',
        params: OrgParams,
        query: Type.Object({ ...ListQuery, ...AuditQuery }, { additionalProperties: false }),
        answers: { 200: Page(AuditItem) },
      }),
      async ({ params: { org_id: orgId }, query }) => {
        await mustExist(database, orgId);
        const page = pageRequest(query, 1);
        const before = page.after === undefined ? Number.MAX_SAFE_INTEGER : Number(page.after[0]);
        const { rows } = await database.query<AuditRow>(LIST, [
          orgId,
          Number.isSafeInteger(before) ? before : 0,
          query.action ?? null,
          query.actor ?? null,
          page.limit + 1,
        ]);
        return pageOf(rows, page, auditItem, ({ seq }) => [String(seq)]);
      },
    );
  };
}

function auditItem(row: AuditRow): AuditItem {
  const { org_id: _org, seq: _seq, ...entry } = entryOf(row);
  return { ...entry, hash: hexOf(row.hash) };
}
