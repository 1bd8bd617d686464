import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let master: TestMaster;
beforeAll(async () => {
  master = await startTestMaster({ postgres: false });
  await master.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  const document = { schema: 'voiceoi/script/v1', entry: 'a', steps: { a: { type: 'return' } } };
  await master.api('POST', '/api/orgs/abc/scripts', { id: 's1', name: 'S', document });
  await master.api('POST', '/api/orgs/abc/scripts/s1/publish', {});
  await master.api('POST', '/api/orgs/abc/campaigns', { id: 'c1', name: 'C', script_id: 's1' });
});
afterAll(() => master.stop());

type Json = { readonly [name: string]: unknown };
interface Operation {
  readonly method: string;
  readonly url: string;
  readonly operation: Json & {
    readonly operationId: string;
    readonly security: readonly Json[];
    readonly responses: { readonly [status: string]: Json };
  };
}

async function operations(): Promise<readonly Operation[]> {
  const { paths } = (await master.master.app.inject('/api/openapi.json')).json() as {
    paths: { [path: string]: { [method: string]: Operation['operation'] } };
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      url: filled(path),
      operation,
    })),
  );
}

const filled = (path: string): string =>
  path
    .replace('{org_id}', 'abc')
    .replace('{campaign_id}', 'c1')
    .replace('{script_id}', 's1')
    .replace('{version}', '1')
    .replace('{call_id}', '01a20d04-85bd-7461-9a5a-cc2195dc5678');

/** Everything that a request could have written. */
async function written(): Promise<unknown> {
  const tables = [
    'organization',
    'campaign',
    'script',
    'script_version',
    'change_log',
    'call_record',
    'call_event',
    'activity_record',
    'app_user',
    'organization_key',
  ];
  const counts = await Promise.all(
    tables.map((table) =>
      master.database.query(`SELECT count(*) AS n, max(xmin::text::bigint) AS touched FROM ${table}`),
    ),
  );
  return counts.map(({ rows }) => rows[0]);
}

async function send(
  method: string,
  url: string,
  payload: string | undefined,
  headers: { readonly [name: string]: string } = {},
) {
  const isNode = url.startsWith('/api/sync/');
  const key = isNode ? { 'x-organization-secret': master.key('abc') } : { authorization: `Bearer ${master.token}` };
  return master.master.app.inject({
    method: method as 'POST',
    url,
    headers: { ...key, ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(payload !== undefined && { payload }),
  });
}

describe('the API’s own description', () => {
  test('is OpenAPI 3.1 and knows every route', async () => {
    const document = (await master.master.app.inject('/api/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    const known = (await operations()).map(({ operation }) => operation.operationId);
    expect(new Set(known).size).toBe(known.length);
    const expected = [
      'login',
      'refreshSession',
      'logout',
      'changePassword',
      'getMe',
      'listOrganizations',
      'createOrganization',
      'getOrganization',
      'patchOrganization',
      'deleteOrganization',
      'listKeys',
      'listCampaigns',
      'createCampaign',
      'getCampaign',
      'putCampaign',
      'patchCampaign',
      'deleteCampaign',
      'listScripts',
      'createScript',
      'getScript',
      'patchScript',
      'deleteScript',
      'getDraft',
      'putDraft',
      'validateScript',
      'publishScript',
      'rollbackScript',
      'listVersions',
      'getVersion',
      'diffVersions',
      'simulateScript',
      'getScriptSchema',
      'getBundle',
      'streamChanges',
      'postLogs',
      'listCalls',
      'getCall',
      'getIndex',
    ];
    expect(known).toEqual(expect.arrayContaining(expected));
    const routes =
      master.master.app.printRoutes({ commonPrefix: false, includeHooks: false }).match(/\/api[^\s]*/g) ?? [];
    const described = Object.keys(document.paths as object).map((path) => path.replace(/\{(\w+)\}/g, ':$1'));
    const missing = [...new Set(routes)]
      .map((path) => path.replace(/\/$/, ''))
      .filter(
        (path) =>
          path !== '/api' &&
          !/openapi\.json|\/docs/.test(path) &&
          !described.some((known1) => known1 === path || known1.startsWith(`${path}/`)),
      );
    expect(missing).toEqual([]);
  });

  test('says of every operation what it is, who may call it, and what it answers, problems included', async () => {
    for (const { operation } of await operations()) {
      const { operationId: id, responses } = operation;
      expect([id, typeof operation['summary'], Array.isArray(operation['tags'])]).toEqual([id, 'string', true]);
      expect([id, Array.isArray(operation.security)]).toEqual([id, true]);
      const statuses = Object.keys(responses);
      expect([id, statuses.some((status) => /^[23]/.test(status)), statuses.includes('500')]).toEqual([id, true, true]);
      for (const status of statuses.filter((code) => /^[45]/.test(code)))
        expect([id, status, Object.keys((responses[status]?.['content'] ?? {}) as Json)]).toEqual([
          id,
          status,
          ['application/problem+json'],
        ]);
      if (operation.security.length > 0) expect([id, statuses.includes('401')]).toEqual([id, true]);
    }
  });

  test('has a page for people that needs nothing from elsewhere', async () => {
    const page = await master.master.app.inject('/api/docs/');
    expect(page.statusCode).toBe(200);
    expect(page.body).not.toMatch(/(src|href)="https?:/);
  });
});

describe('bad input of any route', () => {
  const BODIES: readonly (readonly [string, string, { readonly [name: string]: string }, number])[] = [
    ['no JSON', '{"a":', {}, 400],
    ['a list', '[]', {}, 400],
    ['text', '"x"', {}, 400],
    ['an unknown field', '{"nobody_knows_this":1}', {}, 400],
    [
      'wrong types',
      '{"id":[],"name":{},"document":3,"version":"x","script_id":7,"email":1,"password":null,"note":9,"inputs":1,"records":1,"settings":4,"everywhere":"x","current_password":1,"new_password":1,"status":1}',
      {},
      400,
    ],
    ['a prototype', '{"__proto__":{"x":1}}', {}, 400],
    ['more than a megabyte', `{"name":"${'x'.repeat(1_200_000)}"}`, {}, 413],
    ['another content type', '<a/>', { 'content-type': 'application/xml' }, 415],
  ];

  test.each(BODIES)(
    '%s gets a problem that says what and where, and nothing is written',
    async (_name, payload, headers, status) => {
      const before = await written();
      const withBody = (await operations()).filter(
        ({ operation, url }) => operation['requestBody'] !== undefined && !url.startsWith('/api/sync/'),
      );
      expect(withBody.length).toBeGreaterThan(10);
      for (const { method, url } of withBody) {
        const response = await send(method, url, payload, headers);
        expect([method, url, response.statusCode, response.headers['content-type']]).toEqual([
          method,
          url,
          status,
          'application/problem+json; charset=utf-8',
        ]);
        const problem = response.json();
        expect(problem).toMatchObject({
          status,
          code: expect.stringMatching(/^[A-Z_]+$/),
          title: expect.any(String),
          detail: expect.any(String),
          request_id: expect.any(String),
        });
        if (status === 400)
          expect(problem.errors[0]).toMatchObject({ path: expect.any(String), message: expect.any(String) });
        expect(response.body).not.toMatch(/node_modules|at .*\.[jt]s:/);
      }
      expect(await written()).toEqual(before);
    },
  );

  test.each([
    ['POST', '/api/orgs', { id: 'UPPER', name: 'x' }, '/id'],
    ['POST', '/api/orgs', { id: 'ok', name: '' }, '/name'],
    ['POST', '/api/orgs', { name: 'x' }, '/id'],
    ['POST', '/api/orgs', { id: 'ok', name: 'a\u0000b' }, '/name'],
    ['POST', '/api/orgs', { id: 'ok', name: '\ud800' }, '/name'],
    ['PATCH', '/api/orgs/abc', { settings: { timezone: 'Mars/Olympus' } }, '/settings/timezone'],
    ['PATCH', '/api/orgs/abc', { settings: { webhook_allow: 'x' } }, '/settings/webhook_allow'],
    ['POST', '/api/orgs/abc/campaigns', { id: 'c2', name: 'x', script_id: 'nope' }, '/script_id'],
    ['POST', '/api/orgs/abc/campaigns', { id: 'c2', name: 'x', script_id: 's1', version: 99 }, '/version'],
    [
      'POST',
      '/api/orgs/abc/campaigns',
      { id: 'c2', name: 'x', script_id: 's1', variables: { 'a-b': 1 } },
      '/variables/a-b',
    ],
    ['PUT', '/api/orgs/abc/scripts/s1/draft', { document: [] }, '/document'],
    ['POST', '/api/orgs/abc/scripts/s1/rollback', { version: 0 }, '/version'],
    ['GET', '/api/orgs/abc/scripts/s1/diff?from=1&to=x', undefined, '/to'],
    ['GET', '/api/orgs?limit=201', undefined, '/limit'],
    ['GET', '/api/orgs?cursor=x', undefined, 'cursor'],
    ['GET', '/api/orgs?colour=red', undefined, '/colour'],
    ['GET', '/api/orgs/ABC', undefined, '/org_id'],
  ])('%s %s %j is refused at %s', async (method, url, body, path) => {
    const before = await written();
    const response = await send(method, url, body === undefined ? undefined : JSON.stringify(body));
    expect([response.statusCode, response.json().code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(response.json().errors.map((error: { path: string }) => error.path)).toContain(path);
    expect(await written()).toEqual(before);
  });

  test.each([
    ['GET', '/api/orgs/nobody', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/nobody/campaigns', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/nobody/keys', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/abc/campaigns/none', undefined, 404, 'NOT_FOUND'],
    ['DELETE', '/api/orgs/abc/campaigns/none', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/abc/scripts/none/draft', undefined, 404, 'NOT_FOUND'],
    ['POST', '/api/orgs/abc/scripts/none/publish', {}, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/abc/scripts/s1/versions/9', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/orgs/abc/calls/01a20d04-85bd-7461-9a5a-cc2195dc5678', undefined, 404, 'NOT_FOUND'],
    ['GET', '/api/nothing/here', undefined, 404, 'NOT_FOUND'],
    ['POST', '/api/orgs', { id: 'abc', name: 'again' }, 409, 'ALREADY_EXISTS'],
    ['POST', '/api/orgs/abc/campaigns', { id: 'c1', name: 'again', script_id: 's1' }, 409, 'ALREADY_EXISTS'],
    ['POST', '/api/orgs/abc/scripts', { id: 's1', name: 'again' }, 409, 'ALREADY_EXISTS'],
    ['DELETE', '/api/orgs/abc/scripts/s1', undefined, 409, 'IN_USE'],
  ])('%s %s %j answers %i %s', async (method, url, body, status, code) => {
    const before = await written();
    const response = await send(method, url, body === undefined ? undefined : JSON.stringify(body));
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    expect(await written()).toEqual(before);
  });

  test('a stale If-Match is 412 on every document that has an ETag, and changes nothing', async () => {
    const before = await written();
    for (const [method, url, body] of [
      ['PUT', '/api/orgs/abc/campaigns/c1', { name: 'x', script_id: 's1' }],
      ['PATCH', '/api/orgs/abc/campaigns/c1', { name: 'x' }],
      ['DELETE', '/api/orgs/abc/campaigns/c1', undefined],
      ['PATCH', '/api/orgs/abc/scripts/s1', { name: 'x' }],
      ['PUT', '/api/orgs/abc/scripts/s1/draft', { document: {} }],
    ] as const) {
      const response = await send(method, url, body === undefined ? undefined : JSON.stringify(body), {
        'if-match': '"999"',
      });
      expect([method, url, response.statusCode, response.json().code]).toEqual([method, url, 412, 'CHANGED_MEANWHILE']);
    }
    expect(await written()).toEqual(before);
    const current = (await send('GET', '/api/orgs/abc/campaigns/c1', undefined)).headers['etag'];
    expect(
      (await send('PATCH', '/api/orgs/abc/campaigns/c1', '{"name":"new"}', { 'if-match': String(current) })).statusCode,
    ).toBe(200);
  });
});

describe('who may call what', () => {
  test('every route but the public ones refuses a caller without or with a wrong token or key', async () => {
    const guarded = (await operations()).filter(({ operation }) => operation.security.length > 0);
    expect(guarded.length).toBeGreaterThan(25);
    for (const { method, url } of guarded) {
      const query = url.startsWith('/api/sync/') && method === 'GET' ? `${url}?org_id=abc` : url;
      for (const headers of [
        {},
        { authorization: 'Bearer x.y.z', 'x-organization-secret': `voi_abc_1_${'0'.repeat(64)}` },
      ]) {
        const response = await master.master.app.inject({ method: method as 'GET', url: query, headers });
        expect([method, url, response.statusCode]).toEqual([method, url, 401]);
      }
    }
  });
});

describe('organizations and campaigns', () => {
  test('settings are merged one level deep, null returns one to its default, and each change is one revision', async () => {
    await master.api('POST', '/api/orgs', { id: 'merge', name: 'M' });
    const patch = async (settings: object) =>
      (await master.api('PATCH', '/api/orgs/merge', { settings })).body as { settings: object; revision: number };
    expect(await patch({ timezone: 'America/New_York', webhook_allow: ['10.0.0.0/8'] })).toMatchObject({ revision: 1 });
    expect((await patch({ exec_allow: ['Queue'] })).settings).toEqual({
      timezone: 'America/New_York',
      webhook_allow: ['10.0.0.0/8'],
      exec_allow: ['Queue'],
    });
    expect(await patch({ webhook_allow: null })).toMatchObject({
      settings: { timezone: 'America/New_York', exec_allow: ['Queue'] },
      revision: 3,
    });
    expect(await patch({})).toMatchObject({ revision: 3 });
  });

  test('a campaign is made, set, changed and deleted; latest is a number for nodes', async () => {
    const made = await master.api('PUT', '/api/orgs/abc/campaigns/c9', { name: 'Nine', script_id: 's1' });
    expect(made).toMatchObject({
      status: 201,
      body: { id: 'c9', status: 'active', version: 'latest', plays_version: 1, variables: {}, lead_variables: [] },
    });
    const changed = await master.api('PATCH', '/api/orgs/abc/campaigns/c9', {
      version: 1,
      status: 'paused',
      variables: { a: [1] },
    });
    expect(changed.body).toMatchObject({ name: 'Nine', version: 1, status: 'paused', variables: { a: [1] } });
    expect(
      (await master.api('PATCH', '/api/orgs/abc/campaigns/c9', { version: null, status: null, variables: null })).body,
    ).toMatchObject({ version: 'latest', status: 'active', variables: {} });
    expect((await master.api('DELETE', '/api/orgs/abc/campaigns/c9')).status).toBe(204);
    expect((await master.api('GET', '/api/orgs/abc/campaigns/c9')).status).toBe(404);
  });

  test('lists come in pages that leave nothing out', async () => {
    for (let index = 0; index < 5; index++) await master.api('POST', '/api/orgs', { id: `page-${index}`, name: 'P' });
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = (await master.api('GET', `/api/orgs?limit=2${cursor ? `&cursor=${cursor}` : ''}`)) as {
        body: { items: { id: string }[]; next_cursor: string | null };
      };
      expect(body.items.length).toBeLessThanOrEqual(2);
      seen.push(...body.items.map(({ id }) => id));
      cursor = body.next_cursor;
    }
    expect(seen).toEqual([...seen].sort());
    expect(seen.filter((id) => id.startsWith('page-'))).toHaveLength(5);
  });

  test('an organization goes with everything it has', async () => {
    await master.api('POST', '/api/orgs', { id: 'gone', name: 'G' });
    await master.api('POST', '/api/orgs/gone/scripts', { id: 's', name: 'S' });
    await master.api('POST', '/api/orgs/gone/campaigns', { id: 'c', name: 'C', script_id: 's' });
    expect((await master.api('DELETE', '/api/orgs/gone')).status).toBe(204);
    expect((await master.api('GET', '/api/orgs/gone/campaigns')).status).toBe(404);
  });
});
