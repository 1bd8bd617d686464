import { PGlite } from '@electric-sql/pglite';
import { createLogger, createMetrics } from '@voiceoi/kernel';
import Type from 'typebox';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Database, migrate, pgliteDatabase, scopedDatabase } from '../database/index.ts';
import { createApp } from './app.ts';
import type { App } from './feature.ts';
import { route } from './openapi.ts';

let whole: Database;
let app: App;

/** Routes of a feature that forgets everywhere whose rows it may read. */
function leaky(database: Database) {
  const all = async () => (await database.query('SELECT org_id FROM script ORDER BY 1')).rows;
  return (to: App) => {
    const common = { tag: 'service', summary: 'x', answers: { 200: Type.Unknown() } } as const;
    to.get('/api/orgs/:org_id/leak', route({ ...common, id: 'a', access: 'script.read' }), all);
    to.post(
      '/api/orgs/:org_id/leak',
      route({ ...common, id: 'b', access: 'script.write', body: Type.Unknown() }),
      async () => database.transaction(async (tx) => (await tx.query('SELECT org_id FROM script ORDER BY 1')).rows),
    );
    to.get('/api/sync/leak', route({ ...common, id: 'c', access: 'node' }), all);
    to.get('/api/everything', route({ ...common, id: 'd', access: 'organization.create' }), all);
  };
}

beforeAll(async () => {
  whole = pgliteDatabase(await PGlite.create());
  await migrate(whole);
  for (const org of ['one', 'two']) {
    await whole.query('INSERT INTO organization (id, name) VALUES ($1, $1)', [org]);
    await whole.query("INSERT INTO script (org_id, id, name) VALUES ($1, 's', 'S')", [org]);
  }
  const scoped = scopedDatabase(whole);
  const root = { kind: 'user' as const, id: 'u', email: 'root@localhost', superadmin: true };
  app = await createApp({
    log: createLogger({ level: 'silent', mode: 'test' }),
    metrics: createMetrics({ mode: 'test', version: '0' }),
    authenticators: {
      user: async () => root,
      node: async () => ({ kind: 'node', orgId: 'two', generation: 1 }),
      role: async () => undefined,
    },
    features: [leaky(scoped.database)],
    inScope: scoped.run,
  });
});
afterAll(async () => {
  await app.close();
  await whole.close();
});

const USER = { authorization: 'Bearer x' };

test.each([
  ['a read', { method: 'GET', url: '/api/orgs/one/leak', headers: USER }, ['one']],
  [
    'a write, whose body has been read before',
    { method: 'POST', url: '/api/orgs/two/leak', headers: USER, payload: { text: 'x'.repeat(500_000) } },
    ['two'],
  ],
  ['what a node asks for', { method: 'GET', url: '/api/sync/leak', headers: { 'x-sync-token': 'k' } }, ['two']],
  ['what is for no single organization', { method: 'GET', url: '/api/everything', headers: USER }, ['one', 'two']],
] as const)(
  '%s shows the rows that the request is for, whatever its store forgets',
  async (_what, request, expected) => {
    const answer = await app.inject({ ...request });
    expect(answer.json().map(({ org_id }: { org_id: string }) => org_id)).toEqual(expected);
  },
);

test('requests at the same time have each their own', async () => {
  const ask = async (org: string) =>
    (await app.inject({ method: 'GET', url: `/api/orgs/${org}/leak`, headers: USER })).json();
  const orgs = Array.from({ length: 40 }, (_, at) => (at % 2 ? 'one' : 'two'));
  expect(await Promise.all(orgs.map(ask))).toEqual(orgs.map((org_id) => [{ org_id }]));
});
