import { demoScript } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMember, tokenOf } from '../../../test/services/people.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import { verifyAudit } from './verify.ts';

/** Routes that are no reads by their method, and change nothing that anybody would ask about. */
const CHANGE_NOTHING = [
  'POST /api/auth/refresh',
  'POST /api/orgs/{org_id}/scripts/{script_id}/validate',
  'POST /api/orgs/{org_id}/scripts/{script_id}/simulate',
  'POST /api/orgs/{org_id}/signed-urls',
  'OPTIONS /gateway/{org_id}/webhook/{campaign_id}',
  'POST /gateway/{org_id}/webhook/{campaign_id}',
  'PUT /gateway/{org_id}/webhook/{campaign_id}',
  'PATCH /gateway/{org_id}/webhook/{campaign_id}',
  'DELETE /gateway/{org_id}/webhook/{campaign_id}',
  // What nodes report has records of its own.
  'POST /api/sync/logs',
  'POST /api/sync/status',
];

interface Call {
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
}

interface Case {
  readonly action: string;
  /** The organization whose chain it is written to; `abc` unless told. */
  readonly chain?: string | RegExp;
  /** Makes what the route needs, and says how to call it. */
  prepare(fresh: string): Call | Promise<Call>;
}

const ABC = '/api/orgs/abc';
const PASSWORD = 'a password of somebody';
const INSTANCE = '_instance';

let one: TestMaster;
let count = 0;

async function made(method: string, path: string, body?: unknown): Promise<void> {
  const { status, body: answer } = await one.api(method, path, body);
  if (status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
}

const member = () => newMember(one, 'abc', 'viewer');
const campaign = async (fresh: string): Promise<string> => {
  await made('POST', `${ABC}/campaigns`, { id: fresh, name: 'C', script_id: 's' });
  return `${ABC}/campaigns/${fresh}`;
};
const canary = async (fresh: string): Promise<string> => {
  const path = `${await campaign(fresh)}/canary`;
  await made('PUT', path, { version: 1, percent: 10 });
  return path;
};
const script = async (fresh: string): Promise<string> => {
  await made('POST', `${ABC}/scripts`, { id: fresh, name: 'S', document: demoScript });
  return `${ABC}/scripts/${fresh}`;
};

/** What each route writes that changes something, by the name that OpenAPI has for it. */
const CASES: { readonly [route: string]: Case } = {
  'POST /api/auth/login': {
    action: 'user.sign_in',
    chain: INSTANCE,
    prepare: async () => ({ path: '/api/auth/login', body: { email: (await member()).email, password: PASSWORD } }),
  },
  'POST /api/auth/logout': {
    action: 'user.sign_out_everywhere',
    chain: INSTANCE,
    prepare: async () => {
      const { email } = await member();
      const { headers } = await one.api('POST', '/api/auth/login', { email, password: PASSWORD });
      const cookie = String(headers['set-cookie']).split(';')[0] ?? '';
      return { path: '/api/auth/logout', body: { everywhere: true }, headers: { cookie } };
    },
  },
  'POST /api/auth/password': {
    action: 'user.change_password',
    chain: INSTANCE,
    prepare: async () => {
      const headers = { authorization: `Bearer ${(await member()).token}` };
      const body = { current_password: PASSWORD, new_password: 'another password of them' };
      return { path: '/api/auth/password', body, headers };
    },
  },
  'POST /api/auth/accept-invite': {
    action: 'member.join',
    prepare: async (fresh) => {
      const invited = await one.api('POST', `${ABC}/members`, { email: `${fresh}@example.com`, role: 'viewer' });
      return { path: '/api/auth/accept-invite', body: { token: tokenOf(invited), password: PASSWORD } };
    },
  },
  'POST /api/orgs': {
    action: 'organization.create',
    chain: /^f\d+$/,
    prepare: (fresh) => ({ path: '/api/orgs', body: { id: fresh, name: 'Made' } }),
  },
  'PATCH /api/orgs/{org_id}': {
    action: 'organization.update',
    prepare: (fresh) => ({ path: ABC, body: { name: fresh } }),
  },
  'DELETE /api/orgs/{org_id}': {
    action: 'organization.delete',
    chain: /^f\d+$/,
    prepare: async (fresh) => {
      await made('POST', '/api/orgs', { id: fresh, name: 'Gone' });
      return { path: `/api/orgs/${fresh}` };
    },
  },
  'POST /api/orgs/{org_id}/members': {
    action: 'member.invite',
    prepare: (fresh) => ({ path: `${ABC}/members`, body: { email: `${fresh}@example.com`, role: 'viewer' } }),
  },
  'PATCH /api/orgs/{org_id}/members/{member_id}': {
    action: 'member.update',
    prepare: async () => ({ path: `${ABC}/members/${(await member()).id}`, body: { role: 'editor' } }),
  },
  'DELETE /api/orgs/{org_id}/members/{member_id}': {
    action: 'member.remove',
    prepare: async () => ({ path: `${ABC}/members/${(await member()).id}` }),
  },
  'POST /api/orgs/{org_id}/keys/rotate': {
    action: 'key.rotate',
    prepare: () => ({ path: `${ABC}/keys/rotate`, body: { overlap_seconds: 60 } }),
  },
  'DELETE /api/orgs/{org_id}/keys/{generation}': {
    action: 'key.revoke',
    prepare: async () => {
      const { body } = await one.api('POST', `${ABC}/keys/rotate`);
      return { path: `${ABC}/keys/${body.generation - 1}` };
    },
  },
  'PUT /api/orgs/{org_id}/secrets/{name}': {
    action: 'secret.put',
    prepare: (fresh) => ({ path: `${ABC}/secrets/${fresh}`, body: { value: 'x' } }),
  },
  'DELETE /api/orgs/{org_id}/secrets/{name}': {
    action: 'secret.delete',
    prepare: async (fresh) => {
      await made('PUT', `${ABC}/secrets/${fresh}`, { value: 'x' });
      return { path: `${ABC}/secrets/${fresh}` };
    },
  },
  'POST /api/orgs/{org_id}/api-tokens': {
    action: 'api_token.create',
    prepare: (fresh) => ({ path: `${ABC}/api-tokens`, body: { name: fresh, role: 'viewer' } }),
  },
  'DELETE /api/orgs/{org_id}/api-tokens/{token_id}': {
    action: 'api_token.delete',
    prepare: async (fresh) => {
      const { body } = await one.api('POST', `${ABC}/api-tokens`, { name: fresh, role: 'viewer' });
      return { path: `${ABC}/api-tokens/${body.id}` };
    },
  },
  'POST /api/orgs/{org_id}/campaigns': {
    action: 'campaign.create',
    prepare: (fresh) => ({ path: `${ABC}/campaigns`, body: { id: fresh, name: 'C', script_id: 's' } }),
  },
  'PUT /api/orgs/{org_id}/campaigns/{campaign_id}': {
    action: 'campaign.update',
    prepare: async (fresh) => ({ path: await campaign(fresh), body: { name: 'D', script_id: 's' } }),
  },
  'PATCH /api/orgs/{org_id}/campaigns/{campaign_id}': {
    action: 'campaign.update',
    prepare: async (fresh) => ({ path: await campaign(fresh), body: { status: 'paused' } }),
  },
  'DELETE /api/orgs/{org_id}/campaigns/{campaign_id}': {
    action: 'campaign.delete',
    prepare: async (fresh) => ({ path: await campaign(fresh) }),
  },
  'PUT /api/orgs/{org_id}/campaigns/{campaign_id}/canary': {
    action: 'canary.set',
    prepare: async (fresh) => ({ path: `${await campaign(fresh)}/canary`, body: { version: 1, percent: 10 } }),
  },
  'DELETE /api/orgs/{org_id}/campaigns/{campaign_id}/canary': {
    action: 'canary.withdraw',
    prepare: async (fresh) => ({ path: await canary(fresh) }),
  },
  'POST /api/orgs/{org_id}/campaigns/{campaign_id}/canary/promote': {
    action: 'canary.promote',
    prepare: async (fresh) => ({ path: `${await canary(fresh)}/promote` }),
  },
  'POST /api/orgs/{org_id}/scripts': {
    action: 'script.create',
    prepare: (fresh) => ({ path: `${ABC}/scripts`, body: { id: fresh, name: 'S' } }),
  },
  'PATCH /api/orgs/{org_id}/scripts/{script_id}': {
    action: 'script.update',
    prepare: async (fresh) => ({ path: await script(fresh), body: { name: 'Renamed' } }),
  },
  'DELETE /api/orgs/{org_id}/scripts/{script_id}': {
    action: 'script.delete',
    prepare: async (fresh) => ({ path: await script(fresh) }),
  },
  'PUT /api/orgs/{org_id}/scripts/{script_id}/draft': {
    action: 'script.save_draft',
    prepare: async (fresh) => ({ path: `${await script(fresh)}/draft`, body: { document: demoScript } }),
  },
  'POST /api/orgs/{org_id}/scripts/{script_id}/publish': {
    action: 'script.publish',
    prepare: async (fresh) => ({ path: `${await script(fresh)}/publish`, body: { note: 'n' } }),
  },
  'POST /api/orgs/{org_id}/scripts/{script_id}/rollback': {
    action: 'script.rollback',
    prepare: () => ({ path: `${ABC}/scripts/s/rollback`, body: { version: 1 } }),
  },
  'POST /api/orgs/{org_id}/nodes/{node_id}/drain': {
    action: 'node.drain',
    prepare: () => ({ path: `${ABC}/nodes/n1/drain` }),
  },
  'POST /api/orgs/{org_id}/nodes/{node_id}/resume': {
    action: 'node.resume',
    prepare: () => ({ path: `${ABC}/nodes/n1/resume` }),
  },
};

interface Entry {
  readonly org_id: string;
  readonly action: string;
  readonly request_id: string;
}

const ids = async (): Promise<ReadonlySet<unknown>> =>
  new Set((await one.database.query<{ id: string }>('SELECT id FROM audit_log')).rows.map(({ id }) => id));
const entriesBeside = async (known: ReadonlySet<unknown>): Promise<readonly Entry[]> => {
  const { rows } = await one.database.query<Entry>('SELECT * FROM audit_log WHERE id <> ALL ($1::uuid[])', [
    [...known],
  ]);
  return rows;
};

/** All rows of what the API changes. */
async function everything(): Promise<unknown> {
  const tables = 'organization organization_key organization_past campaign script script_version member invitation';
  const names = `${tables} change_log node_order app_user refresh_token audit_head audit_log`.split(' ');
  const counts: unknown[] = [];
  for (const name of names) {
    const sql = `SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS sum FROM ${name} t`;
    counts.push([name, (await one.database.query(sql)).rows]);
  }
  return counts;
}

const STATUS = {
  node_id: 'n1',
  pool: 'default',
  version: '1.2.3',
  started_at: '2026-11-24T08:25:21.123Z',
  advertise_url: 'http://10.0.0.1:4580',
  advertise_agi: '10.0.0.1:4573',
  calls: { active: 0, capacity: 100 },
  state: 'active',
  organizations: [
    { org_id: 'abc', epoch: 'e', applied: 0, age_seconds: 1, source: 'stream', state: 'active', rejected: [] },
  ],
  spool: { bytes: 0, dropped: 0, dead_letters: 0 },
};

beforeAll(async () => {
  one = await startTestMaster();
  await made('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await made('POST', `${ABC}/scripts`, { id: 's', name: 'S', document: demoScript });
  await made('POST', `${ABC}/scripts/s/publish`, {});
  const reported = await one.node('abc', 'POST', '/api/sync/status', STATUS);
  expect(reported.status, JSON.stringify(reported.body)).toBe(200);
});
afterAll(() => one.stop());

test('every route of the running master that can change something is tried here', async () => {
  const { body } = await one.api('GET', '/api/openapi.json');
  const routes = Object.entries(body.paths as Record<string, Record<string, unknown>>)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .filter((name) => !name.startsWith('GET '));
  expect(routes.toSorted()).toEqual([...Object.keys(CASES), ...CHANGE_NOTHING].toSorted());
});

describe.each(Object.entries(CASES))('%s', (route, { action, chain = 'abc', prepare }) => {
  const method = route.split(' ')[0] ?? '';
  const call = ({ path, body, headers }: Call) => one.api(method, path, body, headers);

  test('writes one entry', async () => {
    const prepared = await prepare(`f${count++}`);
    const before = await ids();
    const answer = await call(prepared);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
    const entries = await entriesBeside(before);
    expect(entries).toEqual([
      expect.objectContaining({ action, org_id: expect.stringMatching(chain), request_id: expect.any(String) }),
    ]);
  });

  test('changes nothing when its entry cannot be written', async () => {
    const prepared = await prepare(`f${count++}`);
    const before = await everything();
    await one.database.query('ALTER TABLE audit_log ADD CONSTRAINT refused CHECK (false) NOT VALID');
    const answer = await call(prepared);
    await one.database.query('ALTER TABLE audit_log DROP CONSTRAINT refused');
    expect(answer.status).toBe(500);
    expect(await everything()).toEqual(before);
  });
});

test('after all that, every chain holds', async () => {
  const reports = await verifyAudit(one.database);
  expect(reports.map(({ orgId }) => orgId)).toEqual(expect.arrayContaining(['abc', INSTANCE]));
  expect(reports.filter(({ broken }) => broken)).toEqual([]);
});
