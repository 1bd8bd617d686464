import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeNode, startFakeNode, statusOf } from '../../../test/services/fake-node.ts';
import { freePort } from '../../../test/services/free-port.ts';
import { newMember } from '../../../test/services/people.ts';
import { type Injected, startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
let nodes: FakeNode[];
let org = '';
let made = 0;
beforeAll(async () => {
  one = await startTestMaster();
});
afterAll(() => one.stop());
beforeEach(async () => {
  // One for each test: what the gateway knows of an organization it keeps for a moment.
  org = `org-${made++}`;
  await one.api('POST', '/api/orgs', { id: org, name: 'An organization' });
  nodes = [await startFakeNode('first'), await startFakeNode('second')];
});
afterEach(async () => {
  for (const node of nodes) await node.stop();
});

const report = async (nodeId: string, change: object, headers = {}): Promise<void> => {
  const answer = await one.node(org, 'POST', '/api/sync/status', statusOf(org, nodeId, change), headers);
  expect(answer.status).toBe(200);
};
/** Both nodes with these numbers of calls. */
const reportBoth = async (first = 0, second = 0): Promise<void> => {
  for (const [index, active] of [first, second].entries())
    await report(`n${index}`, { advertise_url: nodes[index]?.url, calls: { active, capacity: 10 } });
};
const path = (): string => `/gateway/${org}/webhook/123`;
const post = (url = path(), body: unknown = { event: 'start' }, headers = {}): Promise<Injected> =>
  one.api('POST', url, body, headers);
/** Without a token. */
const postUnsigned = (url: string, body: unknown = { event: 'start' }): Promise<Injected> =>
  one.api('POST', url, body, { authorization: '' });
const sign = async (request: object): Promise<string> => {
  const { status, body } = await one.api('POST', `/api/orgs/${org}/signed-urls`, {
    ...{ method: 'POST', path: path(), expires_in: 60 },
    ...request,
  });
  expect(status).toBe(200);
  return String(body.url).replace('http://localhost:4000', '');
};

describe('a request over the gateway', () => {
  test('goes to the node with the fewest calls as it came, with the organization’s key and the address that the client saw', async () => {
    await reportBoth(3, 2);
    const answer = await post(`${path()}?dialect=twiml&a=%20b`, 'CallSid=1', {
      ...{ 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': 'sig=', cookie: 'refresh=1' },
      ...{ 'x-voiceoi-public-url': 'http://forged', 'x-organization-secret': 'voi_forged' },
    });
    expect(answer).toMatchObject({ status: 200, body: { node: 'second' } });
    expect(answer.headers).toMatchObject({ 'content-security-policy': "default-src 'none'; sandbox" });
    expect(nodes[0]?.received).toEqual([]);
    const [received] = nodes[1]?.received ?? [];
    expect(received).toMatchObject({
      method: 'POST',
      url: `/webhook/${org}/123?dialect=twiml&a=%20b`,
      body: 'CallSid=1',
    });
    expect(received?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': 'sig=',
      'x-organization-secret': one.key(org),
      'x-voiceoi-public-url': `http://localhost:4000${path()}?dialect=twiml&a=%20b`,
    });
    expect(received?.headers).not.toHaveProperty('authorization');
    expect(received?.headers).not.toHaveProperty('cookie');
  });

  test('goes with any method, and the node’s answer comes back as it is', async () => {
    await reportBoth();
    for (const node of nodes)
      node.answer = (_request, response) => {
        response.writeHead(418, { 'content-type': 'text/plain', 'set-cookie': 'a=b', location: 'http://x' }).end('tea');
      };
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
      const answer = await one.api(method, path());
      expect([answer.status, String(answer.body)]).toEqual([418, 'tea']);
      expect(answer.headers).not.toHaveProperty('set-cookie');
      expect(answer.headers).not.toHaveProperty('location');
    }
    expect(nodes.flatMap(({ received }) => received.map(({ method }) => method)).sort()).toEqual([
      'DELETE',
      'GET',
      'OPTIONS',
      'PATCH',
      'PUT',
    ]);
  });

  test('keeps its connection to the node for the next', async () => {
    await reportBoth(0, 9);
    for (let i = 0; i < 5; i++) expect((await post()).body).toEqual({ node: 'first' });
    expect(nodes[0]?.connections()).toBe(1);
  });

  test('needs an editor, of this organization', async () => {
    await reportBoth();
    const [viewer, editor] = [await newMember(one, org, 'viewer'), await newMember(one, org, 'editor')];
    expect((await viewer.call('POST', path(), {})).body).toMatchObject({ code: 'FORBIDDEN' });
    expect((await editor.call('POST', path(), {})).status).toBe(200);
    expect((await editor.call('POST', '/gateway/org-0/webhook/123', {})).body).toMatchObject({ code: 'NOT_FOUND' });
    expect((await postUnsigned(path())).body).toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('has a body of at most 256 KiB', async () => {
    await reportBoth();
    const text = { 'content-type': 'text/plain' };
    expect((await post(path(), 'x'.repeat(256 * 1024), text)).status).toBe(200);
    expect((await post(path(), 'x'.repeat(256 * 1024 + 1), text)).body).toMatchObject({ code: 'TOO_LARGE' });
  });

  test('is one of no more than the organization may make in a second', async () => {
    await reportBoth();
    await one.api('PATCH', `/api/orgs/${org}`, { settings: { gateway_requests_per_second: 2 } });
    const answers = await Promise.all([post(), post(), post(), post()]);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThanOrEqual(1);
    expect(refused[0]).toMatchObject({ body: { code: 'TOO_MANY_REQUESTS' }, headers: { 'retry-after': '1' } });
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4 - refused.length);
  });
});

describe('without the node that it was for, a request', () => {
  test('goes to the next one when nothing listens there, and comes back to it after that', async () => {
    const port = await freePort();
    await report('n0', { advertise_url: `http://127.0.0.1:${port}` });
    await report('n1', { advertise_url: nodes[1]?.url, calls: { active: 5, capacity: 10 } });
    for (let i = 0; i < 3; i++) expect((await post()).body).toEqual({ node: 'second' });
  });

  test('is not made twice when the node broke off, unless twice is the same as once', async () => {
    await reportBoth(0, 5);
    const [first] = nodes;
    if (first) first.answer = (_request, response) => response.socket?.destroy();
    expect((await post()).body).toMatchObject({ status: 502, code: 'NODE_FAILED' });
    expect(nodes[1]?.received).toEqual([]);
    expect((await one.api('GET', path())).body).toEqual({ node: 'second' });
  });

  test('is answered with when to come again: no node, none ready, none with room, none on an address where one may be', async () => {
    const refused = async (): Promise<void> => {
      const answer = await post();
      expect(answer).toMatchObject({ status: 503, body: { code: 'NO_NODE' }, headers: { 'retry-after': '2' } });
    };
    await refused();
    const url = { advertise_url: nodes[0]?.url };
    const organizations = [
      { org_id: org, state: 'active', epoch: null, applied: null, age_seconds: null, source: null, rejected: [] },
    ];
    await report('draining', { ...url, state: 'draining' });
    await report('full', { ...url, calls: { active: 10, capacity: 10 } });
    await report('new', { ...url, organizations });
    await report('metadata', { advertise_url: 'http://169.254.169.254' });
    // Through a proxy on this machine: nobody knows from where.
    await report('proxied', url, { 'x-forwarded-for': '203.0.113.7' });
    await report('lost', url);
    await one.database.query(
      "UPDATE node_status SET last_seen_at = now() - interval '91 seconds' WHERE node_id = 'lost' AND org_id = $1",
      [org],
    );
    await new Promise((resolve) => setTimeout(resolve, 550));
    await refused();
    expect(nodes[0]?.received).toEqual([]);
  });

  test('whose answer is too large is broken off', async () => {
    await reportBoth();
    for (const node of nodes)
      node.answer = (_request, response) => response.writeHead(200).end(Buffer.alloc(1024 * 1024 + 1));
    await expect(post()).rejects.toThrow();
  });
});

test('a node is sent the key that it has shown, and none once that is no longer good', async () => {
  await reportBoth();
  await one.database.query('INSERT INTO organization_key (org_id, generation) VALUES ($1, 2)', [org]);
  await post();
  expect(nodes.flatMap(({ received }) => received)[0]?.headers['x-organization-secret']).toBe(one.key(org, 1));
  await one.database.query('UPDATE organization_key SET revoked_at = now() WHERE org_id = $1 AND generation = 1', [
    org,
  ]);
  await new Promise((resolve) => setTimeout(resolve, 550));
  expect((await post()).body).toMatchObject({ code: 'NO_NODE' });
});

describe('a signed URL', () => {
  test('lets whoever has it make its request, with a query of their own', async () => {
    await reportBoth();
    const url = await sign({});
    expect(url).toMatch(/^\/gateway\/org-\d+\/webhook\/123\?exp=\d+&kid=1&sig=[0-9a-f]{64}$/);
    expect((await postUnsigned(`${url}&dialect=jambonz`)).status).toBe(200);
    const [received] = nodes.flatMap(({ received }) => received);
    expect(received?.url).toBe(`/webhook/${org}/123?dialect=jambonz`);
    expect(received?.headers['x-voiceoi-public-url']).toBe(`http://localhost:4000${url}&dialect=jambonz`);
  });

  test('allows no other request, and none once it or its key has expired', async () => {
    await reportBoth();
    const url = await sign({});
    const refused = async (address: string, method = 'POST'): Promise<void> =>
      expect((await one.api(method, address, undefined, { authorization: '' })).body).toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    await refused(url, 'PUT');
    await refused(url.replace('/123?', '/124?'));
    await refused(url.replace('/123?', '/%3123?'));
    await refused(url.replace(org, 'org-0'));
    await refused(url.replace(org, 'nowhere'));
    await refused(url.replace(/exp=\d+/, 'exp=9999999999'));
    await refused(url.replace(/exp=\d+/, 'exp=1'));
    // A token does not make up for a wrong signature.
    expect((await post(`${path()}?sig=x`)).body).toMatchObject({ code: 'UNAUTHENTICATED' });
    await one.database.query('UPDATE organization_key SET revoked_at = now() WHERE org_id = $1', [org]);
    await refused(url);
    expect(nodes.flatMap(({ received }) => received)).toEqual([]);
  });

  test('with a body’s hash allows that body alone', async () => {
    await reportBoth();
    const url = await sign({ body_sha256: createHash('sha256').update('{"a":1}').digest('hex') });
    expect((await postUnsigned(url, { a: 1 })).status).toBe(200);
    expect((await postUnsigned(url, { a: 2 })).status).toBe(401);
  });

  test('is signed by an admin, for the organization’s own paths, for at most 30 days', async () => {
    const editor = await newMember(one, org, 'editor');
    const admin = await newMember(one, org, 'admin');
    const good = { method: 'POST', path: `/webhook/${org}/123`, expires_in: 2_592_000 };
    const signing = `/api/orgs/${org}/signed-urls`;
    expect((await editor.call('POST', signing, good)).status).toBe(403);
    expect((await admin.call('POST', signing, good)).body.url).toContain(`/webhook/${org}/123?exp=`);
    const wrong = [
      ...['/webhook/other/123', `/api/orgs/${org}/keys`, `/gateway/${org}`, `/gateway/${org}/`, `gateway/${org}/x`],
      ...[`/gateway/${org}/../other/x`, `/gateway/${org}/%2e%2e/x`, `/gateway/${org}/a%2Fb`, `/gateway/${org}//x`],
      ...[`/gateway/${org}/webhook/1?x=1`, `/gateway/${org}/x#y`, `/gateway/${org}/x\n`, `//gateway/${org}/x`],
      ...[`/gateway/${org}/./x`, `/gateway/${org}/a\\b`, `/GATEWAY/${org}/x`, `http://x/gateway/${org}/x`, ''],
    ];
    for (const bad of wrong.map((value) => ({ ...good, path: value })))
      expect((await admin.call('POST', signing, bad)).body, bad.path).toMatchObject({ code: 'VALIDATION_FAILED' });
    for (const change of [{ expires_in: 0 }, { expires_in: 2_592_001 }, { method: 'post' }, { body_sha256: 'x' }])
      expect((await admin.call('POST', signing, { ...good, ...change })).status, JSON.stringify(change)).toBe(400);
  });
});
