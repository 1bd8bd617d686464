import { connect, type Socket } from 'node:net';
import type { BundleContent, Change } from '@voiceoi/contracts';
import { bundleSha256, parseOrgKey, verifyChange } from '@voiceoi/kernel';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';
import type { Master } from '../master.ts';

let one: TestMaster;
let port: number;
let second: Master;
let secondPort: number;
beforeAll(async () => {
  one = await startTestMaster();
  port = await one.master.listen();
  second = await one.another();
  secondPort = await second.listen();
});
afterAll(() => one.stop());

interface Event {
  readonly event: string;
  readonly id: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was sent
  readonly data: any;
}

interface Stream {
  /** The next event that is no ping. */
  next(): Promise<Event>;
  /** The next event whatever it is; undefined at the end. */
  any(): Promise<Event | undefined>;
  close(): void;
}

async function open(orgId: string, query = '', at = port, key = one.key(orgId)): Promise<Stream> {
  const stop = new AbortController();
  const response = await fetch(`http://127.0.0.1:${at}/api/sync/stream?org_id=${orgId}${query}`, {
    headers: { 'x-sync-token': key },
    signal: stop.signal,
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const any = async (): Promise<Event | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n');
      if (end >= 0) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
        return { event: field('event') ?? '', id: field('id'), data: JSON.parse(field('data') ?? 'null') };
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += value;
    }
  };
  const next = async (): Promise<Event> => {
    for (;;) {
      const event = await any();
      if (!event) throw new Error('the stream ended');
      if (event.event !== 'ping') return event;
    }
  };
  return { any, next, close: () => stop.abort() };
}

async function newOrg(id: string): Promise<string> {
  expect((await one.api('POST', '/api/orgs', { id, name: id })).status).toBe(201);
  return `/api/orgs/${id}`;
}

const setTimezone = async (org: string, timezone: string) => {
  expect((await one.api('PATCH', org, { settings: { timezone } })).status).toBe(200);
};

/** A document with so many characters of notes. */
function noted(characters: number, mark = 'x'): object {
  const note = mark.repeat(1000);
  const steps: Record<string, object> = { end: { type: 'return' } };
  for (let i = 0; i < characters / 1000; i++)
    steps[`s${i}`] = { type: 'wait', ms: 1, note, next: i === 0 ? 'end' : `s${i - 1}` };
  return { schema: 'voiceoi/script/v1', entry: `s${Math.ceil(characters / 1000) - 1}`, steps };
}

describe('the stream of changes', () => {
  test('begins with the bundle for a node that has nothing, and says that it is there', async () => {
    const org = await newOrg('fresh');
    await setTimezone(org, 'Asia/Tokyo');
    const stream = await open('fresh');
    const full = await stream.any();
    expect(full).toMatchObject({ event: 'full', data: { schema: 1, org_id: 'fresh', revision: 1 } });
    expect(full?.id).toBe(`${full?.data.epoch}:1`);
    expect(bundleSha256(full?.data)).toBe(full?.data.sha256);
    expect(await stream.any()).toEqual({
      event: 'ping',
      id: undefined,
      data: { epoch: full?.data.epoch, revision: 1 },
    });
    stream.close();
  });

  test('sends the changes that a node lacks in order, then those that are committed, each signed', async () => {
    const org = await newOrg('behind');
    await setTimezone(org, 'Asia/Tokyo');
    await setTimezone(org, 'Europe/Rome');
    await setTimezone(org, 'Europe/Paris');
    const { epoch } = (await one.node('behind', 'GET', '/api/sync/campaigns?org_id=behind')).body;
    const stream = await open('behind', `&since=1&epoch=${epoch}`);
    const seen: Change[] = [(await stream.next()).data, (await stream.next()).data];
    await setTimezone(org, 'Europe/Berlin');
    const last = await stream.next();
    expect(last.id).toBe(`${epoch}:4`);
    seen.push(last.data);
    expect(seen.map(({ from, to }) => [from, to])).toEqual([
      [1, 2],
      [2, 3],
      [3, 4],
    ]);
    const key = parseOrgKey(one.key('behind'));
    for (const change of seen) expect(key && verifyChange(key, change)).toBe(true);
    expect(key && verifyChange(key, { ...(seen[0] as Change), to: 9 })).toBe(false);
    expect(seen[2]?.changes).toEqual([
      { op: 'put', kind: 'settings', id: 'settings', object: { timezone: 'Europe/Berlin' } },
    ]);
    stream.close();
  });

  test.each([
    ['is of another epoch', 'since=1&epoch=other'],
    ['is ahead of the master', 'since=99&epoch=EPOCH'],
    ['has no epoch', 'since=1'],
  ])('begins with the bundle for a node that %s', async (_name, query) => {
    const id = `odd-${query.length}`;
    await setTimezone(await newOrg(id), 'Asia/Tokyo');
    const { epoch } = (await one.node(id, 'GET', `/api/sync/campaigns?org_id=${id}`)).body;
    const stream = await open(id, `&${query.replace('EPOCH', epoch)}`);
    expect(await stream.any()).toMatchObject({ event: 'full', data: { revision: 1 } });
    stream.close();
  });

  test('begins with the bundle for a node that is behind what the log still holds', async () => {
    const org = await newOrg('trimmed');
    for (const timezone of ['Asia/Tokyo', 'Europe/Rome', 'Europe/Paris']) await setTimezone(org, timezone);
    await one.database.query("DELETE FROM change_log WHERE org_id = 'trimmed' AND revision <= 2");
    const { epoch } = (await one.node('trimmed', 'GET', '/api/sync/campaigns?org_id=trimmed')).body;
    const stream = await open('trimmed', `&since=1&epoch=${epoch}`);
    expect(await stream.any()).toMatchObject({ event: 'full', data: { revision: 3 } });
    stream.close();
    const near = await open('trimmed', `&since=2&epoch=${epoch}`);
    expect(await near.any()).toMatchObject({ event: 'change', data: { to: 3 } });
    near.close();
  });

  test('says nothing but ping to a node that is current', async () => {
    await newOrg('current');
    const { epoch } = (await one.node('current', 'GET', '/api/sync/campaigns?org_id=current')).body;
    const stream = await open('current', `&since=0&epoch=${epoch}`);
    expect(await stream.any()).toEqual({ event: 'ping', id: undefined, data: { epoch, revision: 0 } });
    stream.close();
  });

  test('brings what another master has committed', async () => {
    const org = await newOrg('elsewhere');
    const stream = await open('elsewhere', '', secondPort);
    expect((await stream.next()).event).toBe('full');
    await setTimezone(org, 'Asia/Tokyo');
    expect(await stream.next()).toMatchObject({ event: 'change', data: { to: 1 } });
    stream.close();
  });

  test('misses nothing, and says nothing twice, to nodes that come while changes are being committed', async () => {
    const org = await newOrg('busy');
    const { epoch } = (await one.node('busy', 'GET', '/api/sync/campaigns?org_id=busy')).body;
    const revisions = 40;
    const readAll = async (at: number): Promise<readonly number[]> => {
      const stream = await open('busy', `&since=0&epoch=${epoch}`, at);
      const seen: number[] = [];
      while (seen.at(-1) !== revisions) {
        const { event, data } = await stream.next();
        expect(event).toBe('change');
        seen.push(data.to);
      }
      stream.close();
      return seen;
    };
    const readers: Promise<readonly number[]>[] = [];
    for (let i = 0; i < revisions; i++) {
      readers.push(readAll(i % 2 === 0 ? port : secondPort));
      await setTimezone(org, i % 2 === 0 ? 'Asia/Tokyo' : 'Europe/Rome');
    }
    const wanted = Array.from({ length: revisions }, (_value, index) => index + 1);
    for (const seen of await Promise.all(readers)) expect(seen).toEqual(wanted);
  });

  test('only announces a change of more than 64 KiB, which the node then fetches whole', async () => {
    const org = await newOrg('large');
    await one.api('POST', `${org}/scripts`, { id: 's', name: 'S', document: noted(80_000) });
    expect((await one.api('POST', `${org}/scripts/s/publish`, {})).status).toBe(201);
    const stream = await open('large');
    const start = (await stream.next()).data as BundleContent;
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 's' });
    const { data: hint } = await stream.next();
    expect(hint).toMatchObject({ from: 0, to: 1, hint: true });
    expect(hint).not.toHaveProperty('changes');
    const key = parseOrgKey(one.key('large'));
    expect(key && verifyChange(key, hint)).toBe(true);
    const since = `/api/sync/campaigns?org_id=large&since=0&epoch=${start.epoch}`;
    const { body } = await one.node('large', 'GET', since);
    expect(body).toMatchObject({ intent: 'full', bundle: { revision: 1, sha256: hint.sha256 } });
    stream.close();
  });

  test('sends a bundle of many megabytes whole, also to a reader that is slow', async () => {
    const org = await newOrg('huge');
    for (let i = 0; i < 16; i++) {
      await one.api('POST', `${org}/scripts`, { id: `s${i}`, name: 'S', document: noted(480_000, String(i % 10)) });
      expect((await one.api('POST', `${org}/scripts/s${i}/publish`, {})).status).toBe(201);
      await one.api('POST', `${org}/campaigns`, { id: `c${i}`, name: 'C', script_id: `s${i}` });
    }
    const stream = await open('huge');
    const { data } = await stream.next();
    expect(data.scripts).toHaveLength(16);
    expect(bundleSha256(data)).toBe(data.sha256);
    await setTimezone(org, 'Asia/Tokyo');
    expect(await stream.next()).toMatchObject({ event: 'change' });
    stream.close();
  });

  test('makes nothing for a reader that takes nothing: its buffer does not grow with each change', async () => {
    const org = await newOrg('stuck');
    await one.api('POST', `${org}/scripts`, { id: 's', name: 'S', document: noted(58_000) });
    await one.api('POST', `${org}/scripts/s/publish`, {});
    connections(one.master);
    const socket = await openAndPause('stuck');
    await one.api('POST', `${org}/campaigns`, { id: 'c', name: 'C', script_id: 's' });
    for (let i = 0; i < 250; i++) await one.api('POST', `${org}/scripts/s/publish`, {});
    const held = [...connections(one.master)].map((connection) => connection.writableLength);
    // A change is some 60 KiB; the system's own buffers are not counted.
    expect(Math.max(...held)).toBeLessThan(200_000);
    socket.destroy();
  });

  test('ends when its key is revoked, and is refused from then on', async () => {
    await newOrg('revoked');
    const stream = await open('revoked');
    await stream.next();
    await one.database.query("UPDATE organization_key SET revoked_at = now() WHERE org_id = 'revoked'");
    await expect(endOf(stream)).resolves.toBe('ended');
    expect((await one.node('revoked', 'GET', '/api/sync/stream?org_id=revoked')).status).toBe(401);
  });

  test('ends when its organization is deleted', async () => {
    const org = await newOrg('deleted');
    const stream = await open('deleted');
    await stream.next();
    await one.api('DELETE', org);
    await expect(endOf(stream)).resolves.toBe('ended');
  });

  test('goes on with a whole bundle when the database was restored: there is another epoch', async () => {
    const other = await startTestMaster();
    const at = await other.master.listen();
    await other.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
    const stream = await open('abc', '', at, other.key('abc'));
    const { data } = await stream.next();
    await other.database.query("UPDATE instance SET epoch = 'restored'");
    expect(await stream.next()).toMatchObject({
      event: 'full',
      id: 'restored:0',
      data: { epoch: 'restored', revision: 0 },
    });
    expect(data.epoch).not.toBe('restored');
    stream.close();
    await other.stop();
  });

  test('ends when the master stops', async () => {
    await newOrg('stopping');
    const third = await one.another();
    const stream = await open('stopping', '', await third.listen());
    await stream.next();
    await third.stop();
    await expect(endOf(stream)).resolves.toBe('ended');
  });

  test.each([
    ['no key', {}, 401, 'UNKNOWN_KEY'],
    ['a key that is none', { 'x-sync-token': 'voi_x' }, 401, 'UNKNOWN_KEY'],
    ['the key of an organization that is not there', { 'x-sync-token': 'nobody' }, 401, 'UNKNOWN_KEY'],
    ['a generation that does not exist', { 'x-sync-token': 'next' }, 401, 'UNKNOWN_KEY'],
    ['a key that differs in its last digit', { 'x-sync-token': 'last' }, 401, 'UNKNOWN_KEY'],
    ['the key of another organization', { 'x-sync-token': 'other' }, 403, 'FOREIGN_ORGANIZATION'],
  ])('and the bundle are refused with %s', async (_name, headers: { 'x-sync-token'?: string }, status, code) => {
    await one.api('POST', '/api/orgs', { id: 'mine', name: 'Mine' });
    await one.api('POST', '/api/orgs', { id: 'other', name: 'Other' });
    const good = one.key('mine');
    const keys: { readonly [name: string]: string } = {
      nobody: one.key('nobody'),
      next: one.key('mine', 2),
      last: good.slice(0, -1) + (good.endsWith('0') ? '1' : '0'),
      other: one.key('other'),
    };
    const token = headers['x-sync-token'];
    const sent = token === undefined ? {} : { 'x-sync-token': keys[token] ?? token };
    for (const path of ['stream', 'campaigns']) {
      const response = await fetch(`http://127.0.0.1:${port}/api/sync/${path}?org_id=mine`, { headers: sent });
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
      expect(await response.json()).toMatchObject({ status, code });
    }
  });
});

async function endOf(stream: Stream): Promise<'ended'> {
  for (;;) {
    const event = await stream.any().catch(() => undefined);
    if (!event) return 'ended';
  }
}

/** A reader that asks for a stream and then takes no byte of it. */
async function openAndPause(orgId: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.pause();
  socket.write(`GET /api/sync/stream?org_id=${orgId} HTTP/1.1\r\nhost: x\r\nx-sync-token: ${one.key(orgId)}\r\n\r\n`);
  await expect.poll(() => connections(one.master).size).toBeGreaterThan(0);
  return socket;
}

/** Open sockets of a master, as its server knows them. */
const known = new WeakMap<Master, Set<Socket>>();
function connections(master: Master): ReadonlySet<Socket> {
  const found = known.get(master);
  if (found) return found;
  const sockets = new Set<Socket>();
  master.app.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  known.set(master, sockets);
  return sockets;
}
