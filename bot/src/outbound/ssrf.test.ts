import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { guardHost } from './guard.ts';
import { createOutbound, type Outbound } from './request.ts';
import type { HttpEffect } from './send.ts';

/** Something that listens on this machine and must not be reached, and where names lead, the first time and from then on. */
let server: Server;
let port: number;
let reached: IncomingMessage[];
let outbound: Outbound;
let asked: string[];
const names: { [name: string]: readonly (readonly string[])[] } = {};

beforeAll(async () => {
  server = createServer((request, response) => {
    reached.push(request);
    response.end('private');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address ? address.port : 0;
  outbound = createOutbound({
    resolve: async (name) => {
      const answers = names[name] ?? [[]];
      const before = asked.filter((one) => one === name).length;
      asked.push(name);
      return answers[Math.min(before, answers.length - 1)] ?? [];
    },
  });
});
afterAll(() => {
  outbound.close();
  server.close();
});
beforeEach(() => {
  reached = [];
  asked = [];
});

const never = new AbortController().signal;
function send(url: string, allow: readonly string[] = [], changes: Partial<HttpEffect> = {}) {
  const masked = { url, headers: {} };
  const effect: HttpEffect = { kind: 'http', method: 'GET', url, headers: {}, timeout_ms: 300, retries: 0, masked };
  return outbound.send({ ...effect, ...changes }, allow, never);
}

describe('a script’s request does not get into a private network', () => {
  test.each([
    ['a decimal address', 'http://2130706433:PORT/'],
    ['an octal address', 'http://0177.0.0.1:PORT/'],
    ['a hexadecimal address', 'http://0x7f000001:PORT/'],
    ['an address with parts left out', 'http://127.1:PORT/'],
    ['wide digits', 'http://１２７.０.０.１:PORT/'],
    ['percent signs', 'http://%31%32%37.0.0.1:PORT/'],
    ['an IPv4 address mapped into IPv6', 'http://[::ffff:127.0.0.1]:PORT/'],
    ['the same, written in full', 'http://[0:0:0:0:0:ffff:7f00:1]:PORT/'],
    ['an IPv4 address translated into IPv6', 'http://[::ffff:0:127.0.0.1]:PORT/'],
    ['an IPv4 address within IPv6', 'http://[::127.0.0.1]:PORT/'],
    ['NAT64', 'http://[64:ff9b::127.0.0.1]:PORT/'],
    ['NAT64 of one’s own', 'http://[64:ff9b:1::127.0.0.1]:PORT/'],
    ['6to4', 'http://[2002:7f00:1::]:PORT/'],
    ['the unspecified addresses', 'http://[::]:PORT/'],
    ['a user name that looks like a host', 'http://example.com@127.0.0.1:PORT/'],
    ['backslashes', 'http:\\\\127.0.0.1:PORT\\'],
    ['line breaks within', 'http://127.\n0.0.1:PORT/'],
    ['a full stop at the end of an address', 'http://127.0.0.1.:PORT/'],
    ['the metadata of a cloud', 'http://169.254.169.254/latest/meta-data/'],
    ['that of Azure, whose address looks public', 'http://168.63.129.16/'],
    ['that of AWS over IPv6', 'http://[fd00:ec2::254]/'],
  ])('by %s', async (_what, url) => {
    expect(await send(url.replace('PORT', String(port)))).toMatchObject({ kind: 'failed' });
    expect(reached).toEqual([]);
  });

  test.each([
    ['a name that leads there', [['127.0.0.1']]],
    ['a name that leads there beside a public address', [['93.184.216.34', '127.0.0.1']]],
    ['a name with a mapped address', [['::ffff:127.0.0.1']]],
    ['a name with the address of a link', [['fe80::1%eth0']]],
  ])('by %s', async (_what, answers) => {
    names['evil.test'] = answers;
    for (const host of ['evil.test', 'EVIL.test'])
      expect(await send(`http://${host}:${port}/`)).toMatchObject({ reason: expect.stringContaining('webhook_allow') });
    names['evil.test.'] = answers;
    expect(await send(`http://evil.test.:${port}/`)).toMatchObject({ kind: 'failed' });
    expect(reached).toEqual([]);
  });

  test('by a name that leads elsewhere between the check and the connection: it is asked for once a try', async () => {
    // Nobody listens at the first address, which is allowed: whoever asked again would reach the second.
    names['rebinding.test'] = [['127.0.0.2'], ['127.0.0.1']];
    expect(await send(`http://rebinding.test:${port}/`, ['127.0.0.2/32'])).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    expect(asked).toEqual(['rebinding.test']);
    expect(reached).toEqual([]);
  });

  test('by a name that leads elsewhere at the next try, or over a connection that was kept for the same name', async () => {
    names['later.test'] = [['127.0.0.2'], ['127.0.0.1']];
    const retried = await send(`http://later.test:${port}/`, ['127.0.0.2/32'], { retries: 1, timeout_ms: 1000 });
    expect(retried).toMatchObject({ reason: expect.stringContaining('webhook_allow') });
    expect(reached).toEqual([]);
    names['kept.test'] = [['127.0.0.1'], ['127.0.0.2']];
    expect(await send(`http://kept.test:${port}/`, ['127.0.0.0/8'])).toMatchObject({ status: 200 });
    expect(await send(`http://kept.test:${port}/`, ['127.0.0.0/8'])).toMatchObject({ kind: 'failed' });
    expect(reached).toHaveLength(1);
  });

  test('by a redirect', async () => {
    const redirecting = createServer((_request, response) =>
      response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end(),
    );
    redirecting.listen(0, '127.0.0.3');
    await once(redirecting, 'listening');
    const address = redirecting.address();
    const url = `http://127.0.0.3:${typeof address === 'object' && address ? address.port : 0}/`;
    expect(await send(url, ['127.0.0.3'])).toMatchObject({ kind: 'response', status: 307 });
    expect(reached).toEqual([]);
    redirecting.close();
  });
});

describe('webhook_allow', () => {
  test('opens what it names to its own organization, and nothing to another one, over kept connections neither', async () => {
    names['crm.test'] = [['127.0.0.1']];
    const url = `http://crm.test:${port}/`;
    expect(await send(url, ['crm.test'])).toMatchObject({ status: 200 });
    expect(await send(url, [])).toMatchObject({ kind: 'failed' });
    expect(await send(`http://127.0.0.1:${port}/`, ['crm.test'])).toMatchObject({ kind: 'failed' });
    expect(reached).toHaveLength(1);
  });

  test.each(['169.254.169.254', '168.63.129.16', 'fd00:ec2::254', '0.0.0.0', '::ffff:169.254.169.254', 'ff02::1'])(
    'does not open %s, by its block or by a name that leads there',
    async (address) => {
      names['crm.test'] = [[address]];
      for (const allow of [['crm.test'], ['0.0.0.0/0', '::/0']])
        expect(await send('http://crm.test/', allow)).toMatchObject({
          reason: 'crm.test is an address that no request goes to, whatever webhook_allow names',
        });
    },
  );

  test('with an entry that is neither a block nor a name opens nothing and breaks nothing', async () => {
    const resolve = async () => ['127.0.0.1'];
    for (const entry of ['', '*', '.', '127.0.0.1/99', 'http://127.0.0.1', '0x7f.1'])
      expect(await guardHost('evil.test', [entry], resolve)).toMatchObject({ isForGood: true });
  });
});

describe('a request', () => {
  test('goes to the next address of a host when one cannot be reached', async () => {
    names['two.test'] = [['127.0.0.2', '127.0.0.1']];
    expect(await send(`http://two.test:${port}/`, ['127.0.0.0/8'])).toMatchObject({ status: 200, body: 'private' });
    expect(reached[0]?.headers.host).toBe(`two.test:${port}`);
  });

  test.each([22, 25, 465, 5060, 6000, 6667])('does not go to port %i, where something else listens', async (other) => {
    expect(await send(`http://127.0.0.1:${other}/`, ['127.0.0.0/8'])).toMatchObject({
      reason: `port ${other} is no port for http`,
    });
  });

  test('with a user name in its url is refused, and the reason does not name it', async () => {
    const { reason } = Object(await send(`http://me:geheim@127.0.0.1:${port}/`, ['127.0.0.1']));
    expect(reason).toContain('header');
    expect(reason).not.toMatch(/me:|geheim/);
    expect(reached).toEqual([]);
  });

  test('whose host has a secret in it fails without naming the host: it is written in small letters by then', async () => {
    const masked = { url: 'http://***.test/', headers: {} };
    const result = await send('http://SeCrEt.test/', [], { masked });
    expect(result).toMatchObject({ reason: 'the host cannot be resolved' });
  });
});
