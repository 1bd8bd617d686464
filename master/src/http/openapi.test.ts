import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly description?: string }[];
  readonly responses: {
    readonly [status: string]: {
      readonly description?: string;
      readonly content?: { readonly [type: string]: { readonly schema?: object } };
    };
  };
}

let one: TestMaster;
let operations: readonly (readonly [name: string, operation: Operation])[];

beforeAll(async () => {
  one = await startTestMaster();
  const { body } = await one.api('GET', '/api/openapi.json');
  expect(body.openapi).toBe('3.1.0');
  operations = Object.entries(body.paths as Record<string, Record<string, Operation>>).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
  );
});
afterAll(() => one.stop());

/** What the router really has: its tree, printed, read back. */
function registered(): readonly string[] {
  const found: string[] = [];
  const parents: string[] = [];
  for (const line of one.master.app.printRoutes({ commonPrefix: false }).split('\n')) {
    const match = /^([\s│]*)[├└]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line);
    const [, indent = '', part = '', methods = ''] = match ?? [];
    if (!match) continue;
    const depth = indent.length / 4;
    parents.length = depth;
    parents[depth] = part;
    const path = parents
      .join('')
      .replaceAll('//', '/')
      .replace(/:(\w+)/g, '{$1}');
    found.push(
      ...methods
        .split(', ')
        .filter((name) => name && name !== 'HEAD')
        .map((name) => `${name} ${path}`),
    );
  }
  return found;
}

/** For people and machines that read the document itself. */
const UNDOCUMENTED = /^GET (\/|\/api\/openapi\.json|\/api\/docs.*)$/;

/** What is wrong with the operations that fail `isGood`. */
function lacking(isGood: (operation: Operation) => boolean): readonly string[] {
  return operations.filter(([, operation]) => !isGood(operation)).map(([name]) => name);
}

describe('the OpenAPI document', () => {
  test('has every route that there is, and no other', () => {
    const routes = registered().filter((name) => !UNDOCUMENTED.test(name));
    expect(routes.length).toBeGreaterThan(25);
    expect([...operations.map(([name]) => name)].sort()).toEqual([...routes].sort());
  });

  test('names each operation once, with a summary and a tag', () => {
    expect(lacking(({ operationId, summary, tags }) => Boolean(operationId && summary && tags?.length))).toEqual([]);
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(ids).toEqual([...new Set(ids)]);
  });

  test('says of each operation who may call it', () => {
    expect(lacking(({ security }) => Array.isArray(security))).toEqual([]);
    const open = operations.filter(([, { security }]) => security?.length === 0).map(([name]) => name);
    expect(open.sort()).toEqual([
      'GET /api',
      'GET /api/schemas/script/v1',
      'POST /api/auth/accept-invite',
      'POST /api/auth/login',
      'POST /api/auth/logout',
      'POST /api/auth/refresh',
    ]);
  });

  test('has a schema for each answer with content, problems among them', () => {
    const isDescribed = ({ responses }: Operation): boolean =>
      Object.entries(responses).every(
        ([status, { description, content }]) =>
          description && (/^(204|304)$/.test(status) || Object.values(content ?? {}).some(({ schema }) => schema)),
      );
    expect(lacking(isDescribed)).toEqual([]);
    const isProblem = ({ responses }: Operation): boolean =>
      Object.entries(responses).every(
        ([status, { content }]) => Number(status) < 400 || content?.['application/problem+json'] !== undefined,
      );
    expect(lacking(isProblem)).toEqual([]);
    expect(lacking(({ responses }) => Object.keys(responses).some((status) => /^2/.test(status)))).toEqual([]);
    expect(lacking(({ responses }) => responses['500'] !== undefined)).toEqual([]);
  });

  test('describes every parameter, and If-Match wherever 412 is an answer', () => {
    expect(lacking(({ parameters = [] }) => parameters.every(({ description }) => description))).toEqual([]);
    const takesIfMatch = ({ parameters = [] }: Operation): boolean =>
      parameters.some(({ name }) => name === 'if-match');
    expect(lacking((operation) => (operation.responses['412'] !== undefined) === takesIfMatch(operation))).toEqual([]);
  });

  test('has a page for people that needs nobody else’s server', async () => {
    const { status, body } = await one.api('GET', '/api/docs');
    expect(status).toBe(200);
    expect(String(body)).not.toMatch(/(src|href)="https?:/);
  });
});
