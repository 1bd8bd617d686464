import { demoScript } from '@voiceoi/script';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
});
afterAll(() => one.stop());

const scripts = '/api/orgs/abc/scripts';
let made = 0;

/** A script that plays one sound: which one tells versions apart. */
function playing(sound: string) {
  return {
    schema: 'voiceoi/script/v1',
    entry: 'greet',
    steps: { greet: { type: 'play', prompts: [sound], next: 'end' }, end: { type: 'return', disposition: 'OK' } },
  };
}
const broken = { ...playing('beep'), entry: 'gret' };

/** A new script's address. */
async function newScript(document?: object): Promise<string> {
  const id = `script-${made++}`;
  const { status } = await one.api('POST', scripts, { id, name: 'Menu', ...(document && { document }) });
  expect(status).toBe(201);
  return `${scripts}/${id}`;
}

/** Everything that a refused request must leave as it was. */
async function everything(): Promise<unknown> {
  const tables = ['organization', 'script', 'script_version', 'campaign', 'change_log'];
  const rows = tables.map(async (table) => (await one.database.query(`SELECT * FROM ${table} ORDER BY 1, 2`)).rows);
  return Promise.all(rows);
}

describe('a script', () => {
  test('is made, shown, listed, renamed and deleted', async () => {
    const path = await newScript();
    const { body, headers } = await one.api('GET', path);
    const id = path.split('/').at(-1);
    expect(body).toMatchObject({ id, name: 'Menu', latest_version: null, has_draft: false });
    expect(headers['etag']).toBe(body.etag);
    expect((await one.api('GET', `${scripts}?limit=200`)).body.items).toContainEqual(body);
    const renamed = await one.api('PATCH', path, { name: 'Other' }, { 'if-match': body.etag });
    expect(renamed.body).toMatchObject({ name: 'Other' });
    expect(renamed.body.etag).not.toBe(body.etag);
    expect((await one.api('DELETE', path, undefined, { 'if-match': renamed.body.etag })).status).toBe(204);
    expect((await one.api('GET', path)).status).toBe(404);
  });

  test('cannot be deleted while a campaign runs it', async () => {
    const path = await newScript(playing('beep'));
    await one.api('POST', '/api/orgs/abc/campaigns', { id: 'uses', name: 'C', script_id: path.split('/').at(-1) });
    const refused = await one.api('DELETE', path);
    expect(refused.body).toMatchObject({ status: 409, code: 'IN_USE' });
    await one.api('DELETE', '/api/orgs/abc/campaigns/uses');
    expect((await one.api('DELETE', path)).status).toBe(204);
  });

  test('takes no name that is taken', async () => {
    const path = await newScript();
    const again = await one.api('POST', scripts, { id: path.split('/').at(-1), name: 'Menu' });
    expect(again.body).toMatchObject({ status: 409, code: 'ALREADY_EXISTS' });
  });

  test('is listed page by page, each once', async () => {
    for (let i = 0; i < 3; i++) await newScript();
    const wanted = (await one.api('GET', `${scripts}?limit=200`)).body.items.map(({ id }: { id: string }) => id);
    const seen: string[] = [];
    let query: string | null = '';
    while (query !== null) {
      const { body }: { body: { items: { id: string }[]; next_cursor: string | null } } = await one.api(
        'GET',
        `${scripts}?limit=2${query}`,
      );
      seen.push(...body.items.map(({ id }) => id));
      query = body.next_cursor === null ? null : `&cursor=${body.next_cursor}`;
    }
    expect(seen).toEqual(wanted);
    expect(seen.length).toBeGreaterThan(2);
  });
});

describe('a draft', () => {
  test('can be any JSON object, and says what keeps it from being published', async () => {
    const path = await newScript();
    const empty = (await one.api('GET', `${path}/draft`)).body;
    expect(empty).toMatchObject({ document: {}, validation: { valid: false } });
    for (const document of [{}, { a: [1, null, { b: 'x' }] }, broken, demoScript]) {
      const { status, body, headers } = await one.api('PUT', `${path}/draft`, { document });
      expect(status).toBe(200);
      expect(body.document).toEqual(document);
      expect(headers['etag']).toBe(body.etag);
      expect((await one.api('GET', `${path}/draft`)).body).toEqual(body);
      const alone = await one.api('POST', `${path}/validate`, { document });
      expect(alone.body).toEqual(body.validation);
      expect((await one.api('POST', `${path}/validate`)).body).toEqual(body.validation);
      expect(body.validation.valid).toBe(document === demoScript);
    }
  });

  test.each([
    ['a list', { document: [] }],
    ['a text', { document: 'x' }],
    ['null', { document: null }],
    ['nothing', {}],
    ['a list instead of an object', [1]],
  ])('cannot be %s', async (_name, body) => {
    const path = await newScript(playing('beep'));
    const before = await everything();
    expect((await one.api('PUT', `${path}/draft`, body)).body).toMatchObject({
      status: 400,
      code: 'VALIDATION_FAILED',
    });
    expect(await everything()).toEqual(before);
  });

  test('is replaced only in the state that If-Match names; of two at once one wins', async () => {
    const path = await newScript(playing('beep'));
    const { etag } = (await one.api('GET', `${path}/draft`)).body;
    const save = (sound: string) => one.api('PUT', `${path}/draft`, { document: playing(sound) }, { 'if-match': etag });
    const answers = await Promise.all([save('a'), save('b'), save('c')]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412]);
    const winner = answers.find(({ status }) => status === 200)?.body;
    expect((await one.api('GET', `${path}/draft`)).body).toEqual(winner);
    expect(answers.find(({ status }) => status === 412)?.body).toMatchObject({ code: 'CHANGED_MEANWHILE' });
  });

  test('is not touched by a publish or a rollback', async () => {
    const path = await newScript(playing('a'));
    await one.api('POST', `${path}/publish`);
    const saved = (await one.api('PUT', `${path}/draft`, { document: broken })).body;
    await one.api('POST', `${path}/rollback`, { version: 1 });
    expect((await one.api('GET', `${path}/draft`)).body).toEqual(saved);
  });
});

describe('publishing', () => {
  test('makes versions from 1 without a hole, with what they hold', async () => {
    const path = await newScript(playing('a'));
    expect(await one.api('POST', `${path}/publish`, { note: 'first' })).toMatchObject({
      status: 201,
      body: { version: 1 },
    });
    await one.api('PUT', `${path}/draft`, { document: playing('b') });
    expect((await one.api('POST', `${path}/publish`)).body).toEqual({ version: 2 });
    expect((await one.api('POST', `${path}/rollback`, { version: 1 })).body).toEqual({ version: 3 });
    const { body } = await one.api('GET', `${path}/versions`);
    const [third, second, first] = body.items;
    expect(body.items.map(({ version, note }: { version: number; note: string }) => [version, note])).toEqual([
      [3, ''],
      [2, ''],
      [1, 'first'],
    ]);
    expect([third.sha256 === first.sha256, third.sha256 === second.sha256]).toEqual([true, false]);
    const one1 = (await one.api('GET', `${path}/versions/1`)).body;
    expect(one1).toEqual({ ...first, document: playing('a') });
    expect(first).toMatchObject({ published_by: 'admin@localhost' });
    expect((await one.api('GET', path)).body.latest_version).toBe(3);
    const next = await one.api('GET', `${path}/versions?limit=2`);
    const rest = await one.api('GET', `${path}/versions?limit=2&cursor=${next.body.next_cursor}`);
    expect([...next.body.items, ...rest.body.items]).toEqual(body.items);
  });

  test('is refused with the errors of the validation, and nothing is written', async () => {
    const path = await newScript(broken);
    await one.api('POST', '/api/orgs/abc/campaigns', { id: 'waits', name: 'C', script_id: path.split('/').at(-1) });
    const before = await everything();
    const { errors } = (await one.api('POST', `${path}/validate`)).body;
    const refused = await one.api('POST', `${path}/publish`, {});
    expect(refused.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(refused.body).toMatchObject({ status: 422, code: 'SCRIPT_INVALID', errors });
    expect(errors[0]).toMatchObject({ code: 'UNKNOWN_STEP', path: '/entry' });
    const empty = await newScript();
    expect((await one.api('POST', `${empty}/publish`)).body).toMatchObject({ status: 422, code: 'SCRIPT_INVALID' });
    await one.api('DELETE', empty);
    expect(await everything()).toEqual(before);
    await one.api('DELETE', '/api/orgs/abc/campaigns/waits');
  });

  test('follows the applications that the organization allows', async () => {
    const steps = { run: { type: 'exec', application: 'AGI', next: 'end' }, end: { type: 'return' } };
    const path = await newScript({ schema: 'voiceoi/script/v1', entry: 'run', steps });
    const refused = await one.api('POST', `${path}/publish`);
    expect(refused.body.errors).toMatchObject([{ code: 'APPLICATION_NOT_ALLOWED', path: '/steps/run/application' }]);
    await one.api('PATCH', '/api/orgs/abc', { settings: { exec_allow: ['agi'] } });
    expect((await one.api('POST', `${path}/publish`)).status).toBe(201);
    await one.api('PATCH', '/api/orgs/abc', { settings: { exec_allow: null } });
  });

  test('of a version that is not there is refused by its place in the body', async () => {
    const path = await newScript(playing('a'));
    const before = await everything();
    const { body } = await one.api('POST', `${path}/rollback`, { version: 1 });
    expect(body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED', errors: [{ path: '/version' }] });
    expect(await everything()).toEqual(before);
  });
});

describe('the difference', () => {
  test('is between versions, and to the draft', async () => {
    const path = await newScript(playing('a'));
    await one.api('POST', `${path}/publish`);
    await one.api('PUT', `${path}/draft`, { document: playing('b') });
    const change = { op: 'replace', path: '/steps/greet/prompts/0', before: 'a', after: 'b' };
    expect((await one.api('GET', `${path}/diff?from=1&to=draft`)).body).toEqual({
      from: '1',
      to: 'draft',
      changes: [change],
    });
    await one.api('POST', `${path}/publish`);
    expect((await one.api('GET', `${path}/diff?from=1&to=2`)).body.changes).toEqual([change]);
    expect((await one.api('GET', `${path}/diff?from=2&to=draft`)).body.changes).toEqual([]);
    expect((await one.api('GET', `${path}/diff?from=1&to=9`)).body).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    for (const query of ['', '?from=1', '?from=0&to=1', '?from=x&to=draft', '?from=1&to=2&deep=1'])
      expect((await one.api('GET', `${path}/diff${query}`)).body).toMatchObject({ status: 400 });
  });
});

describe('simulating', () => {
  const inputs: unknown[] = [];
  test('plays the draft, a version or a document', async () => {
    const path = await newScript(playing('a'));
    await one.api('POST', `${path}/publish`);
    await one.api('PUT', `${path}/draft`, { document: playing('b') });
    const played = async (what: object): Promise<string> => {
      const { status, body } = await one.api('POST', `${path}/simulate`, { inputs, ...what });
      expect([status, body.outcome, body.disposition]).toEqual([200, 'completed', 'OK']);
      return JSON.stringify(body.steps[0].effects);
    };
    expect(await played({})).toContain('"b"');
    expect(await played({ version: 1 })).toContain('"a"');
    expect(await played({ document: playing('c') })).toContain('"c"');
  });

  test.each<[string, object, number, object]>([
    ['a document that does not validate', { inputs, document: broken }, 422, { code: 'SCRIPT_INVALID' }],
    ['a version that is not there', { inputs, version: 9 }, 400, { errors: [{ path: '/version' }] }],
    [
      'both a version and a document',
      { inputs, version: 1, document: playing('a') },
      400,
      { errors: [{ path: '/version' }] },
    ],
    ['no inputs', {}, 400, { errors: [{ path: '/inputs' }] }],
    ['an input of no form', { inputs: [{ digit: '1' }] }, 400, { errors: [{ path: '/inputs/0' }] }],
    ['a field too much', { inputs, colour: 1 }, 400, { errors: [{ path: '/colour' }] }],
  ])('refuses %s', async (_name, body, status, problem) => {
    const path = await newScript(playing('a'));
    expect((await one.api('POST', `${path}/simulate`, body)).body).toMatchObject({ status, ...problem });
  });
});

test('the JSON Schema of the language can be read by everybody', async () => {
  const { statusCode, body } = await one.master.app.inject({ url: '/api/schemas/script/v1' });
  expect([statusCode, JSON.parse(body)]).toMatchObject([200, { type: 'object' }]);
});

describe('every address of scripts', () => {
  const addresses: readonly (readonly [method: string, path: string, body: object | undefined])[] = [
    ['GET', '', undefined],
    ['PATCH', '', { name: 'x' }],
    ['DELETE', '', undefined],
    ['GET', '/draft', undefined],
    ['PUT', '/draft', { document: {} }],
    ['POST', '/validate', {}],
    ['POST', '/publish', {}],
    ['POST', '/rollback', { version: 1 }],
    ['GET', '/versions', undefined],
    ['GET', '/versions/1', undefined],
    ['GET', '/diff?from=1&to=draft', undefined],
    ['POST', '/simulate', { inputs: [] }],
  ];

  test.each(addresses)(
    '%s %s is not there for a script that is not there, and wrong for an id that is none',
    async (method, rest, body) => {
      for (const [id, status] of [
        ['nothing', 404],
        ['a%20b', 400],
        ['x'.repeat(33), 400],
        ['%00', 400],
      ] as const) {
        const answer = await one.api(method, `${scripts}/${id}${rest}`, body);
        expect([id, answer.status]).toEqual([id, status]);
        expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      }
      expect((await one.api(method, `/api/orgs/nobody/scripts/x${rest}`, body)).status).toBe(404);
    },
  );

  test.each(addresses)('%s %s is refused to whoever is not signed in', async (method, rest, body) => {
    const answer = await one.node('abc', method, `${scripts}/x${rest}`, body);
    expect(answer.body).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' });
  });

  const bodies = addresses.filter(([, , body]) => body !== undefined);
  test.each(bodies)(
    '%s %s refuses a body of another shape, kind or size, and writes nothing',
    async (method, rest, body) => {
      const path = (await newScript(playing('a'))) + rest;
      await one.api('POST', `${path}/publish`);
      const before = await everything();
      const json = { 'content-type': 'application/json' };
      const cases: readonly (readonly [unknown, { readonly [name: string]: string }, number])[] = [
        ['{', json, 400],
        ['[]', json, 400],
        ['"x"', json, 400],
        [{ ...body, colour: 'red' }, {}, 400],
        ['{"__proto__":{}}', json, 400],
        [{ ...body, note: 'a\0b' }, {}, 400],
        [JSON.stringify({ ...body, note: 'x'.repeat(1024 * 1024) }), json, 413],
        ['a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
      ];
      for (const [sent, headers, status] of cases) {
        const answer = await one.api(method, path, sent, headers);
        expect([sent, answer.status]).toEqual([sent, status]);
        expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
        expect(answer.body).toMatchObject({ status, request_id: expect.any(String), detail: expect.any(String) });
      }
      expect(await everything()).toEqual(before);
    },
  );

  test.each([
    ['PATCH', '', { name: 'x' }],
    ['DELETE', '', undefined],
    ['PUT', '/draft', { document: {} }],
  ])('%s %s refuses a stale If-Match, and writes nothing', async (method, rest, body) => {
    const path = await newScript(playing('a'));
    const before = await everything();
    const answer = await one.api(method, path + rest, body, { 'if-match': '"99"' });
    expect(answer.body).toMatchObject({ status: 412, code: 'CHANGED_MEANWHILE' });
    expect(await everything()).toEqual(before);
    expect((await one.api(method, path + rest, body, { 'if-match': '*' })).status).toBeLessThan(300);
  });

  test.each([
    [{}, ['/id', '/name']],
    [{ id: 'a b', name: 'x' }, ['/id']],
    [{ id: 'a', name: '' }, ['/name']],
    [{ id: 7, name: 7 }, ['/id', '/name']],
    [{ id: 'a', name: 'x', document: [] }, ['/document']],
    [{ id: 'a', name: 'x', colour: 1 }, ['/colour']],
  ])('POST refuses %j, and names each place', async (body, paths) => {
    const before = await everything();
    const answer = await one.api('POST', scripts, body);
    expect(answer.body).toMatchObject({ status: 400, code: 'VALIDATION_FAILED' });
    expect(new Set(answer.body.errors.map(({ path }: { path: string }) => path))).toEqual(new Set(paths));
    expect(await everything()).toEqual(before);
  });
});
