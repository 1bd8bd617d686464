import { demoScript } from '@voiceoi/script';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newMember, type Person } from '../../../test/services/people.ts';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: { readonly [name: string]: Schema };
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
}
interface Operation {
  readonly security: readonly object[];
  readonly requestBody?: { readonly content?: { readonly [type: string]: { readonly schema?: Schema } } };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
}
interface Route {
  readonly method: string;
  readonly path: string;
  readonly operation: Operation;
}

/** Stands in everything that belongs to the other organization: an answer that holds it has told of something foreign. */
const FOREIGN = 'canary-of-the-other-organization';
const RUNS = 25;
/** What must go on being there for the others to be tried. */
const NOT_TRIED = ['DELETE /api/orgs/{org_id}', 'POST /api/auth/logout', 'POST /api/auth/password'];

let one: TestMaster;
let owner: Person;
let routes: readonly Route[];

beforeAll(async () => {
  one = await startTestMaster();
  for (const [id, name] of [
    ['abc', 'Own'],
    ['xyz', FOREIGN],
  ] as const) {
    await one.api('POST', '/api/orgs', { id, name });
    await one.api('POST', `/api/orgs/${id}/scripts`, { id: 'demo', name, document: demoScript });
    await one.api('POST', `/api/orgs/${id}/scripts/demo/publish`, { note: name });
    await one.api('PUT', `/api/orgs/${id}/campaigns/123`, { name, script_id: 'demo' });
    await one.api('PUT', `/api/orgs/${id}/secrets/token`, { value: name });
  }
  owner = await newMember(one, 'abc', 'owner');
  const { body } = await one.api('GET', '/api/openapi.json');
  routes = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
}, 120_000);
afterAll(() => one.stop());

const odd = fc.oneof(
  fc.anything({ withNullPrototype: false, withBigInt: false, withDate: false }),
  fc.constantFrom(
    null,
    '',
    '\0',
    '../..',
    '__proto__',
    "'; DROP TABLE organization; --",
    -1,
    1e300,
    [],
    {},
    [[]],
    '💥',
  ),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

/** Values that a schema takes, and now and then others. */
function anyValue(schema: Schema | undefined): fc.Arbitrary<unknown> {
  const good = goodValue(schema);
  return fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: odd });
}

function goodValue(schema: Schema | undefined): fc.Arbitrary<unknown> {
  if (!schema) return odd;
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(anyValue));
  if (schema.properties) {
    const entries = Object.entries(schema.properties).map(([name, inner]) => [name, anyValue(inner)] as const);
    return fc.record(Object.fromEntries(entries), { requiredKeys: [] });
  }
  switch (schema.type) {
    case 'integer':
      return fc.integer({
        min: Math.max(schema.minimum ?? 0, -(2 ** 31)),
        max: Math.min(schema.maximum ?? 1000, 2 ** 31),
      });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'array':
      return fc.array(anyValue(schema.items), { maxLength: 4 });
    case 'object':
      return fc.dictionary(fc.string({ maxLength: 12 }), fc.jsonValue(), { maxKeys: 4 });
    default:
      return fc.oneof(fc.constantFrom('demo', '123', 'viewer', 'a@b.example', 'Name'), fc.string({ maxLength: 40 }));
  }
}

const named: { readonly [name: string]: fc.Arbitrary<string> } = {
  org_id: fc.constantFrom('abc', 'abc', 'abc', 'xyz', 'nowhere', '*', '%00'),
  script_id: fc.constantFrom('demo', 'nope', '..', 'x'.repeat(40)),
  campaign_id: fc.constantFrom('123', 'nope'),
  version: fc.constantFrom('1', '0', '99999999999', 'x'),
};

function addressOf({ path, operation }: Route): fc.Arbitrary<string> {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
  const parts = fc.tuple(
    ...names.map((name) => named[name] ?? fc.constantFrom('1', 'token', 'x', crypto.randomUUID())),
  );
  const wanted = (operation.parameters ?? []).filter((parameter) => parameter.in === 'query');
  const query = fc.record(Object.fromEntries(wanted.map(({ name, schema }) => [name, anyValue(schema)])), {
    requiredKeys: [],
  });
  return fc.tuple(parts, query).map(([values, asked]) => {
    const filled = names.reduce(
      (text, name, at) => text.replace(`{${name}}`, encodeURIComponent(values[at] ?? 'x')),
      path,
    );
    const pairs = Object.entries(asked).map(
      ([name, value]) =>
        `${name}=${encodeURIComponent(wellFormed(typeof value === 'string' ? value : (JSON.stringify(value) ?? '')))}`,
    );
    return pairs.length > 0 ? `${filled}?${pairs.join('&')}` : filled;
  });
}

const wellFormed = (text: string): string => text.toWellFormed();

function expectDecent({ status, body }: Injected, what: string): void {
  const text =
    typeof body === 'string' ? body : Buffer.isBuffer(body) ? body.toString('utf8') : JSON.stringify(body ?? '');
  // 503 is what the gateway says where no node is.
  expect(status === 503 || status < 500, `${what}: ${status} ${text.slice(0, 300)}`).toBe(true);
  expect(text, what).not.toMatch(/\bat .*\.(ts|js):\d+|node_modules|SELECT |INSERT INTO/);
  expect(text, what).not.toContain(FOREIGN);
}

test('no route fails, tells of its insides, or shows anything foreign, whatever its own description lets one make up', async () => {
  const tried = routes.filter(
    ({ method, path }) => !NOT_TRIED.includes(`${method} ${path}`) && path !== '/api/sync/stream' && method !== 'HEAD',
  );
  expect(tried.length).toBeGreaterThan(50);
  let taken = 0;
  for (const route of tried) {
    const isForNodes = JSON.stringify(route.operation.security).includes('organizationSecret');
    const schema = route.operation.requestBody?.content?.['application/json']?.schema;
    await fc.assert(
      fc.asyncProperty(addressOf(route), schema ? anyValue(schema) : fc.constant(undefined), async (url, body) => {
        const sent = body === undefined ? undefined : (JSON.stringify(body) ?? 'null');
        const headers = sent === undefined ? {} : { 'content-type': 'application/json' };
        const answer = isForNodes
          ? await one.node('abc', route.method, url, sent, headers)
          : await one.api(route.method, url, sent, { ...headers, authorization: `Bearer ${owner.token}` });
        if (answer.status < 300) taken++;
        expectDecent(answer, `${route.method} ${url} ${sent?.slice(0, 300)}`);
      }),
      { numRuns: RUNS },
    );
  }
  // Else it would only try how nonsense is refused.
  expect(taken).toBeGreaterThan(tried.length);
}, 600_000);
