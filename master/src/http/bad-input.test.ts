import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

/** What is done to every route that there is: they are read from the OpenAPI document, so a new one is tried without being named here. */
interface Route {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly isForNodes: boolean;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly body: Schema | undefined;
}
interface Schema {
  readonly type?: string;
  readonly properties?: { readonly [name: string]: Schema };
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
}
interface Operation {
  readonly security: readonly object[];
  readonly parameters?: Route['parameters'];
  readonly requestBody?: { readonly content?: { readonly [type: string]: { readonly schema?: Schema } } };
}

let one: TestMaster;
let routes: readonly Route[];
let before: unknown;

beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs/abc/scripts', { id: 'demo', name: 'Demo', document: { entry: 'x' } });
  await one.api('PUT', '/api/orgs/abc/campaigns/123', { name: 'One', script_id: 'demo' });
  const { body } = await one.api('GET', '/api/openapi.json');
  routes = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => readRoute(path, method.toUpperCase(), operation)),
  );
  await one.node('abc', 'GET', '/api/sync/campaigns?org_id=abc');
});
beforeEach(async () => {
  before = await everything();
});
afterAll(() => one.stop());

function readRoute(path: string, method: string, operation: Operation): Route {
  return {
    name: `${method} ${path}`,
    method,
    path,
    isForNodes: JSON.stringify(operation.security).includes('organizationSecret'),
    parameters: operation.parameters ?? [],
    body: operation.requestBody?.content?.['application/json']?.schema,
  };
}

const GOOD: { readonly [name: string]: string } = {
  org_id: 'abc',
  campaign_id: '123',
  script_id: 'demo',
  version: '1',
  member_id: '01936f5e-0000-7000-8000-000000000000',
  generation: '1',
  name: 'crm_token',
  token_id: '01936f5e-0000-7000-8000-000000000000',
  call_id: '01936f5e-0000-7000-8000-000000000000',
};

function address(path: string, parameters: { readonly [name: string]: string } = {}): string {
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => encodeURIComponent(parameters[name] ?? GOOD[name] ?? 'x'));
}

function call(route: Route, url: string, body?: unknown, headers?: { readonly [name: string]: string }) {
  return route.isForNodes
    ? one.node('abc', route.method, url, body, headers)
    : one.api(route.method, url, body, headers);
}

/** All that a refused request must leave as it was. */
async function everything(): Promise<unknown> {
  const tables = ['organization', 'organization_key', 'script', 'script_version', 'campaign', 'change_log', 'secret'];
  const others = [
    'api_token',
    'app_user',
    'member',
    'invitation',
    'sign_in_limit',
    'refresh_token',
    'call_record',
    'call_event',
    'activity_record',
    'agent_state',
    'node_status',
    'node_order',
  ];
  const read = async (table: string): Promise<unknown> =>
    (await one.database.query(`SELECT * FROM ${table} ORDER BY 1, 2`)).rows;
  return Promise.all([...tables, ...others].map(read));
}

function expectProblem({ status, body, headers }: Injected, wanted: number, code: string, what: string): void {
  expect({ what, status, code: body.code }).toEqual({ what, status: wanted, code });
  expect(headers['content-type'], what).toBe('application/problem+json; charset=utf-8');
  expect(body, what).toMatchObject({
    type: expect.any(String),
    title: expect.any(String),
    request_id: expect.any(String),
  });
  expect(body.detail.length, what).toBeGreaterThan(5);
  if (code !== 'VALIDATION_FAILED') return;
  expect(body.errors.length, what).toBeGreaterThan(0);
  for (const { path, message } of body.errors) {
    expect(path, what).toEqual(expect.any(String));
    expect(message.length, what).toBeGreaterThan(3);
  }
}

const withBody = (): readonly Route[] => routes.filter(({ body, path }) => body && path !== '/api/sync/logs');
const JSON_TYPE = { 'content-type': 'application/json' };

/** A value that no schema of that type takes. */
function wrongFor({ type }: Schema): unknown {
  return type === 'boolean' ? 'yes' : true;
}

/** What nodes send may hold more: they may be newer than the master. */
const OPEN: readonly string[] = ['POST /api/sync/status'];

describe('every route with a body', () => {
  test('there are as many as are known', () => expect(withBody().length).toBeGreaterThan(12));

  test.each([
    ['what is no JSON', '{"name": ', ''],
    ['an array', '[]', ''],
    ['a number', '1', ''],
    ['a text', '"x"', ''],
    ['a dangerous name', '{"__proto__": {"superadmin": true}}', ''],
    ['a dangerous constructor', '{"constructor": {"prototype": {"x": 1}}}', ''],
    ['an unknown field', '{"no such field": 1}', '/no such field'],
  ])('refuses %s', async (what, text, path) => {
    for (const route of withBody()) {
      const answer = await call(route, address(route.path), text, JSON_TYPE);
      expectProblem(answer, 400, 'VALIDATION_FAILED', `${route.name}: ${what}`);
      if (path && !OPEN.includes(route.name))
        expect(answer.body.errors, route.name).toContainEqual({ path, message: 'is not known here' });
    }
    expect(await everything()).toEqual(before);
  });

  test('refuses each field of a wrong type, and says which', async () => {
    for (const route of withBody())
      for (const [name, schema] of Object.entries(route.body?.properties ?? {})) {
        const answer = await call(route, address(route.path), { [name]: wrongFor(schema) });
        expectProblem(answer, 400, 'VALIDATION_FAILED', `${route.name}: ${name}`);
        const paths = answer.body.errors.map((error: { path: string }) => error.path);
        expect(
          paths.some((path: string) => path.startsWith(`/${name}`)),
          `${route.name}: ${paths}`,
        ).toBe(true);
      }
    expect(await everything()).toEqual(before);
  });

  test('names each field that is missing', async () => {
    for (const route of withBody()) {
      const required = route.body?.required ?? [];
      if (required.length === 0) continue;
      const answer = await call(route, address(route.path), {});
      expectProblem(answer, 400, 'VALIDATION_FAILED', route.name);
      for (const name of required)
        expect(answer.body.errors, route.name).toContainEqual({ path: `/${name}`, message: 'is missing' });
    }
    expect(await everything()).toEqual(before);
  });

  test('refuses text that the database cannot keep, wherever it stands', async () => {
    for (const route of withBody())
      for (const text of ['a\u0000b', '\ud800'])
        for (const name of Object.keys(route.body?.properties ?? {})) {
          const body = JSON.stringify({ [name]: { deep: [{ [text]: text }], text } });
          const answer = await call(route, address(route.path), body, JSON_TYPE);
          expectProblem(answer, 400, 'VALIDATION_FAILED', `${route.name}: ${name}`);
        }
    expect(await everything()).toEqual(before);
  });

  test('refuses 2 MiB, and nesting without end', async () => {
    for (const route of withBody()) {
      const big = JSON.stringify({ name: 'x'.repeat(2 * 1024 * 1024) });
      expectProblem(await call(route, address(route.path), big, JSON_TYPE), 413, 'TOO_LARGE', route.name);
      const deep = `{"document": ${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
      expectProblem(await call(route, address(route.path), deep, JSON_TYPE), 400, 'VALIDATION_FAILED', route.name);
    }
    expect(await everything()).toEqual(before);
  });

  test.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'nonsense'])(
    'refuses the content type %s',
    async (type) => {
      for (const route of withBody()) {
        const answer = await call(route, address(route.path), '{}', { 'content-type': type });
        expectProblem(answer, 415, 'UNSUPPORTED_MEDIA_TYPE', route.name);
      }
      expect(await everything()).toEqual(before);
    },
  );
});

describe('every route with parameters', () => {
  test('refuses ids that cannot be', async () => {
    const bad = [
      '',
      ' ',
      '..',
      'A B',
      'x\u0000',
      'ü',
      "'; DROP TABLE organization; --",
      'x'.repeat(33),
      '%',
      '__proto__!',
    ];
    for (const route of routes)
      for (const { name } of route.parameters.filter((parameter) => parameter.in === 'path'))
        for (const value of bad) {
          const url = address(route.path, { [name]: value });
          const { status, body, headers } = await call(route, url, route.body && { name: 'x', script_id: 'demo' });
          const what = `${route.name} with ${name} ${JSON.stringify(value)}`;
          expect([400, 404], what).toContain(status);
          expect(headers['content-type'], what).toBe('application/problem+json; charset=utf-8');
          expect(body.code, what).toBe(status === 404 ? 'NOT_FOUND' : 'VALIDATION_FAILED');
        }
    expect(await everything()).toEqual(before);
  });

  const ofQuery = ({ parameters }: Route) => parameters.filter((parameter) => parameter.in === 'query');

  test('refuses query parameters that are unknown', async () => {
    for (const route of routes.filter((candidate) => ofQuery(candidate).length > 0)) {
      const answer = await call(route, `${address(route.path)}?surprise=1`);
      expectProblem(answer, 400, 'VALIDATION_FAILED', route.name);
    }
  });

  test('refuses query parameters that are wrong', async () => {
    const wrongOf = ({ type }: Schema): readonly string[] =>
      type === 'integer' ? ['0', '-1', '1.5', 'x', '', '1e3', '99999999999999999999'] : ['a%00b'];
    const tries = routes.flatMap((route) =>
      ofQuery(route)
        .filter(({ name }) => name !== 'org_id' && !(route.isForNodes && name === 'since'))
        .flatMap(({ name, schema }) => wrongOf(schema).map((text) => [route, `${name}=${text}`] as const)),
    );
    expect(tries.length).toBeGreaterThan(30);
    for (const [route, query] of tries) {
      const answer = await call(route, `${address(route.path)}?${query}`);
      expectProblem(answer, 400, 'VALIDATION_FAILED', `${route.name}?${query}`);
    }
  });

  test('knows no organization, campaign or script that is not there', async () => {
    for (const route of routes) {
      const names = route.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      if (names.length === 0 || route.body?.required?.length || route.path.endsWith('/diff')) continue;
      const answer = await call(route, address(route.path, { org_id: 'nobody' }), route.body && {});
      expectProblem(answer, 404, 'NOT_FOUND', `${route.name} of an organization that is not there`);
    }
    expect(await everything()).toEqual(before);
  });
});

describe('every route that is not for everybody', () => {
  test('asks who calls before it looks at what was sent', async () => {
    const open = /^(POST \/api\/auth\/(login|refresh|logout|accept-invite)|GET \/api|GET \/api\/schemas\/script\/v1)$/;
    for (const route of routes.filter(({ name }) => !open.test(name))) {
      const answer = await one.master.app.inject({
        method: route.method as 'GET',
        url: address(route.path),
        ...(route.method !== 'GET' && { headers: JSON_TYPE, payload: '{broken' }),
      });
      const { code, status } = answer.json();
      const wanted = route.isForNodes ? 'UNKNOWN_KEY' : 'UNAUTHENTICATED';
      expect({ name: route.name, code, status }).toEqual({ name: route.name, code: wanted, status: 401 });
    }
    expect(await everything()).toEqual(before);
  });
});
