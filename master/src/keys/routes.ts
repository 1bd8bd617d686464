import { OrgKeyItem, OrgParams, RotateKey } from '@voiceoi/contracts';
import { deriveOrgKey } from '@voiceoi/kernel';
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import * as audit from '../audit/index.ts';
import type { Database } from '../database/index.ts';
import {
  type App,
  actorOf,
  bodyOptional,
  type Feature,
  ListQuery,
  mayDo,
  mustExist,
  Page,
  pageOf,
  pageRequest,
  route,
} from '../http/index.ts';
import { type KeyRow, listKeys, noteView, revokeKey, rotateKey } from './rotation.ts';

interface KeyRoutes {
  readonly database: Database;
  readonly salt: string;
  /** An organization's keys are others now. Never rejects. */
  readonly onChange: (orgId: string) => Promise<void>;
}

/** A rotation's default: nodes get the new key in this time. */
const OVERLAP_SECONDS = 86_400;
const NEWEST = 2_147_483_647;

const KeyParams = Type.Object({
  ...OrgParams.properties,
  generation: Type.String({ pattern: '^[1-9][0-9]{0,8}$', description: 'Generation of the key' }),
});

/** Shows, rotates and revokes an organization's keys. Whoever is shown one is written down. */
export function keyRoutes({ database, salt, onChange }: KeyRoutes): Feature {
  const shown = async (request: FastifyRequest, orgId: string, rows: readonly KeyRow[]): Promise<void> =>
    noteView(
      database,
      orgId,
      actorOf(request),
      rows.map(({ generation }) => generation),
    );
  const item = (orgId: string, row: KeyRow) => keyItem(row, deriveOrgKey(salt, orgId, row.generation));

  return (app: App) => {
    app.get(
      '/api/orgs/:org_id/keys',
      route({
        id: 'listKeys',
        tag: 'organizations',
        summary: 'Keys of an organization, newest first',
        description: 'The keys themselves are for admins; others see which there are.',
        access: 'key.list',
        params: OrgParams,
        query: Type.Object(ListQuery, { additionalProperties: false }),
        answers: { 200: Page(OrgKeyItem) },
      }),
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        await mustExist(database, orgId);
        const page = pageRequest(request.query, 1);
        const below = page.after === undefined ? NEWEST : Number(page.after[0]);
        const rows = await listKeys(database, orgId, Number.isSafeInteger(below) ? below : 0, page.limit + 1);
        const isShown = mayDo(request, 'key.show');
        if (isShown) await shown(request, orgId, rows.slice(0, page.limit));
        reply.header('cache-control', 'no-store');
        return pageOf(
          rows,
          page,
          (row) => (isShown ? item(orgId, row) : keyItem(row)),
          (row) => [String(row.generation)],
        );
      },
    );

    app.post(
      '/api/orgs/:org_id/keys/rotate',
      {
        ...route({
          id: 'rotateKey',
          tag: 'organizations',
          summary: 'Add a generation of the key',
          description: 'The keys before go on working for `overlap_seconds`, 24 hours unless told.',
          access: 'key.write',
          params: OrgParams,
          body: RotateKey,
          answers: { 201: OrgKeyItem },
        }),
        ...bodyOptional,
      },
      async (request, reply) => {
        const { org_id: orgId } = request.params;
        const { overlap_seconds: overlap = OVERLAP_SECONDS } = request.body;
        const row = await database.transaction(async (tx) => {
          const added = await rotateKey(tx, orgId, overlap);
          const after = { generation: added.generation, overlap_seconds: overlap };
          await audit.record(tx, { orgId, action: 'key.rotate', target: `key/${added.generation}`, after });
          return added;
        });
        await onChange(orgId);
        await shown(request, orgId, [row]);
        return reply.code(201).header('cache-control', 'no-store').send(item(orgId, row));
      },
    );

    app.delete(
      '/api/orgs/:org_id/keys/:generation',
      route({
        id: 'revokeKey',
        tag: 'organizations',
        summary: 'End a generation of the key at once',
        access: 'key.write',
        params: KeyParams,
        answers: { 204: null },
        problems: ['LAST_KEY'],
      }),
      async (request, reply) => {
        const { org_id: orgId, generation } = request.params;
        await database.transaction(async (tx) => {
          await revokeKey(tx, orgId, Number(generation));
          await audit.record(tx, { orgId, action: 'key.revoke', target: `key/${generation}` });
        });
        await onChange(orgId);
        return reply.code(204).send();
      },
    );
  };
}

function keyItem({ generation, created_at, not_after, revoked_at, last_used_at }: KeyRow, key?: string) {
  return {
    generation,
    ...(key !== undefined && { key }),
    created_at: created_at.toISOString(),
    ...(not_after && { not_after: not_after.toISOString() }),
    ...(revoked_at && { revoked_at: revoked_at.toISOString() }),
    ...(last_used_at && { last_used_at: last_used_at.toISOString() }),
  };
}
