import { ROLES } from '@voiceoi/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newMember, type Person } from '../../../test/services/people.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

/**
 * Who may call what, written down from the contract and not from the table that the master reads: the two are compared
 * by calling every route that there is. A route that is not here fails the test; one that is to come may be here before.
 */
const CONTRACT: { readonly [who: string]: readonly string[] } = {
  everybody: [
    'GET /',
    'GET /api',
    'GET /api/schemas/script/v1',
    'POST /api/auth/login',
    'POST /api/auth/refresh',
    'POST /api/auth/logout',
    'POST /api/auth/accept-invite',
  ],
  user: ['GET /api/auth/me', 'POST /api/auth/password', 'GET /api/orgs'],
  node: ['GET /api/sync/campaigns', 'GET /api/sync/stream', 'POST /api/sync/logs', 'POST /api/sync/status'],
  viewer: [
    'GET /api/orgs/{org_id}',
    'GET /api/orgs/{org_id}/campaigns',
    'GET /api/orgs/{org_id}/campaigns/{campaign_id}',
    'GET /api/orgs/{org_id}/campaigns/{campaign_id}/canary',
    'GET /api/orgs/{org_id}/scripts',
    'GET /api/orgs/{org_id}/scripts/{script_id}',
    'GET /api/orgs/{org_id}/scripts/{script_id}/draft',
    'POST /api/orgs/{org_id}/scripts/{script_id}/validate',
    'POST /api/orgs/{org_id}/scripts/{script_id}/simulate',
    'GET /api/orgs/{org_id}/scripts/{script_id}/versions',
    'GET /api/orgs/{org_id}/scripts/{script_id}/versions/{version}',
    'GET /api/orgs/{org_id}/scripts/{script_id}/diff',
    'GET /api/orgs/{org_id}/calls',
    'GET /api/orgs/{org_id}/calls/{call_id}',
    'GET /api/orgs/{org_id}/agents',
    'GET /api/orgs/{org_id}/nodes',
    'GET /api/orgs/{org_id}/nodes/{node_id}',
    'GET /api/orgs/{org_id}/members',
    'GET /api/orgs/{org_id}/keys',
    'GET /api/orgs/{org_id}/secrets',
    'GET /api/orgs/{org_id}/secrets/{name}',
    'GET /api/orgs/{org_id}/stream',
    'GET /api/orgs/{org_id}/vicidial',
  ],
  editor: [
    'POST /api/orgs/{org_id}/campaigns',
    'PUT /api/orgs/{org_id}/campaigns/{campaign_id}',
    'PATCH /api/orgs/{org_id}/campaigns/{campaign_id}',
    'DELETE /api/orgs/{org_id}/campaigns/{campaign_id}',
    'PUT /api/orgs/{org_id}/campaigns/{campaign_id}/canary',
    'DELETE /api/orgs/{org_id}/campaigns/{campaign_id}/canary',
    'POST /api/orgs/{org_id}/campaigns/{campaign_id}/canary/promote',
    'POST /api/orgs/{org_id}/scripts',
    'PATCH /api/orgs/{org_id}/scripts/{script_id}',
    'DELETE /api/orgs/{org_id}/scripts/{script_id}',
    'PUT /api/orgs/{org_id}/scripts/{script_id}/draft',
    'POST /api/orgs/{org_id}/scripts/{script_id}/publish',
    'POST /api/orgs/{org_id}/scripts/{script_id}/rollback',
    ...['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].map(
      (method) => `${method} /gateway/{org_id}/webhook/{campaign_id}`,
    ),
  ],
  admin: [
    'PATCH /api/orgs/{org_id}',
    'POST /api/orgs/{org_id}/members',
    'PATCH /api/orgs/{org_id}/members/{member_id}',
    'DELETE /api/orgs/{org_id}/members/{member_id}',
    'POST /api/orgs/{org_id}/keys/rotate',
    'DELETE /api/orgs/{org_id}/keys/{generation}',
    'PUT /api/orgs/{org_id}/secrets/{name}',
    'DELETE /api/orgs/{org_id}/secrets/{name}',
    'GET /api/orgs/{org_id}/api-tokens',
    'POST /api/orgs/{org_id}/api-tokens',
    'DELETE /api/orgs/{org_id}/api-tokens/{token_id}',
    'POST /api/orgs/{org_id}/signed-urls',
    'POST /api/orgs/{org_id}/nodes/{node_id}/drain',
    'POST /api/orgs/{org_id}/nodes/{node_id}/resume',
    'GET /api/orgs/{org_id}/audit',
  ],
  owner: ['DELETE /api/orgs/{org_id}'],
  superadmin: ['POST /api/orgs'],
};
const WHO = new Map(Object.entries(CONTRACT).flatMap(([who, routes]) => routes.map((route) => [route, who])));

const OWN = 'own';
const FOREIGN = 'foreign';
const RANKS = [...ROLES, 'superadmin'] as const;
const ORDER: readonly string[] = RANKS;
type Caller = (typeof RANKS)[number] | 'nobody' | 'node';

let one: TestMaster;
let routes: readonly (readonly [name: string, requiredRole: string | undefined])[];
const people = new Map<Caller, Person>();

beforeAll(async () => {
  one = await startTestMaster();
  for (const id of [OWN, FOREIGN]) await one.api('POST', '/api/orgs', { id, name: id });
  for (const role of ROLES) people.set(role, await newMember(one, OWN, role));
  const { body } = await one.api('GET', '/api/openapi.json');
  routes = Object.entries(body.paths as Record<string, Record<string, { 'x-required-role'?: string }>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation['x-required-role']] as const,
      ),
  );
});
afterAll(() => one.stop());

function headersOf(caller: Caller): { readonly [name: string]: string } {
  if (caller === 'nobody') return {};
  if (caller === 'node') return { 'x-organization-secret': one.key(OWN) };
  return { authorization: `Bearer ${caller === 'superadmin' ? one.token : people.get(caller)?.token}` };
}

/** What became of a request. One that is let in does nothing: its body or its query cannot be read. */
async function outcome(route: string, caller: Caller, orgId: string): Promise<string> {
  const [method = '', path = ''] = route.split(' ');
  const filled = path.replace('{org_id}', orgId).replace(/\{\w+\}/g, 'x');
  const isRead = method === 'GET';
  const response = await one.master.app.inject({
    method: method as 'GET',
    url: isRead ? `${filled}?org_id=${orgId}&since=x` : `${filled}?org_id=${orgId}`,
    headers: { ...headersOf(caller), ...(!isRead && { 'content-type': 'application/json' }) },
    ...(!isRead && { payload: '{broken' }),
    // A stream never ends: its head says enough.
    payloadAsStream: true,
  });
  const stream = response.stream();
  if (response.statusCode === 200) {
    stream.destroy();
    return 'allowed';
  }
  const body = JSON.parse((await stream.toArray()).join(''));
  if (['UNAUTHENTICATED', 'UNKNOWN_KEY', 'FORBIDDEN', 'FOREIGN_ORGANIZATION'].includes(body.code)) {
    // The cookie's absence is no matter of roles.
    return route === 'POST /api/auth/refresh' ? 'allowed' : body.code;
  }
  // The gateway takes any body, and here nobody is behind it.
  if (body.code === 'NO_NODE') return 'allowed';
  if (response.statusCode >= 500) return 'BROKEN';
  return body.detail === `There is no organization "${orgId}"` ? 'NOT_THERE' : 'allowed';
}

function expected(who: string, caller: Caller, orgId: string): string {
  if (who === 'everybody') return 'allowed';
  if (who === 'node') {
    if (caller !== 'node') return 'UNKNOWN_KEY';
    return orgId === OWN ? 'allowed' : 'FOREIGN_ORGANIZATION';
  }
  if (caller === 'nobody' || caller === 'node') return 'UNAUTHENTICATED';
  if (who === 'user' || caller === 'superadmin') return 'allowed';
  if (who === 'superadmin') return 'FORBIDDEN';
  if (orgId === FOREIGN) return 'NOT_THERE';
  return ORDER.indexOf(caller) >= ORDER.indexOf(who) ? 'allowed' : 'FORBIDDEN';
}

describe('every route', () => {
  test('is named by the contract', () => {
    expect(routes.length).toBeGreaterThan(40);
    expect(routes.map(([name]) => name).filter((name) => !WHO.has(name))).toEqual([]);
  });

  test('tells in the OpenAPI document which role it needs', () => {
    const wanted = routes.map(([name]) => {
      const who = WHO.get(name) ?? '';
      return [name, ['everybody', 'user', 'node'].includes(who) ? undefined : who];
    });
    expect(routes).toEqual(wanted);
  });

  const callers: readonly Caller[] = ['nobody', 'node', ...RANKS];
  test.each(callers.flatMap((caller) => [OWN, FOREIGN].map((orgId) => [caller, orgId] as const)))(
    'lets %s in, or not, as the contract has it: %s organization',
    async (caller, orgId) => {
      for (const [name] of routes) {
        const what = `${name} by ${caller}`;
        const wanted = expected(WHO.get(name) ?? '', caller, orgId);
        expect([what, await outcome(name, caller, orgId)]).toEqual([what, wanted]);
      }
    },
  );

  test('says of an organization of others what it says of one that is not there', async () => {
    const viewer = people.get('viewer');
    const scoped = routes.filter(([name]) => name.includes('{org_id}'));
    for (const [name] of scoped) {
      const [method = '', path = ''] = name.split(' ');
      const [foreign, absent] = await Promise.all(
        [FOREIGN, 'nowhere'].map(async (org) => {
          const answer = await viewer?.call(method, path.replace('{org_id}', org).replace(/\{\w+\}/g, 'x'));
          const { request_id: _id, detail, ...body } = answer?.body ?? {};
          return { ...body, detail: detail.replace(org, 'it'), headers: Object.keys(answer?.headers ?? {}).sort() };
        }),
      );
      expect(foreign, name).toMatchObject({ status: 404, code: 'NOT_FOUND', detail: 'There is no organization "it"' });
      expect(foreign, name).toEqual(absent);
    }
  });
});

test('keys are shown to admins; others see which there are', async () => {
  const shown = await Promise.all(
    ROLES.map(async (role) => {
      const answer = await people.get(role)?.call('GET', `/api/orgs/${OWN}/keys`);
      return [role, answer?.status, answer?.body.items[0].generation, answer?.body.items[0].key === one.key(OWN)];
    }),
  );
  expect(shown).toEqual([
    ['viewer', 200, 1, false],
    ['editor', 200, 1, false],
    ['admin', 200, 1, true],
    ['owner', 200, 1, true],
  ]);
  const viewed = await people.get('viewer')?.call('GET', `/api/orgs/${OWN}/keys`);
  expect(JSON.stringify(viewed?.body)).not.toContain('voi_');
});
