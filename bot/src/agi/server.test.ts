import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import { createLogger, createMetrics, type Metrics } from '@voiceoi/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Loopback, playAsterisk, startLoopback } from '../../../test/services/agi-peer.ts';
import { readRecording } from '../../../test/services/agi-recordings.ts';
import type { CallChannel, CallDesk, IncomingCall } from '../calls/index.ts';
import { type AgiServer, type AgiServerOptions, startAgiServer } from './server.ts';
import { AgiSession } from './session.ts';

const ENVIRONMENT = Buffer.concat(readRecording('22/agi-1000').environment);
const servers: AgiServer[] = [];
let loopback: Loopback;

beforeAll(async () => {
  loopback = await startLoopback();
});
afterAll(() => loopback.close());
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

interface Started {
  readonly server: AgiServer;
  readonly metrics: Metrics;
  /** Lines of the log. */
  readonly logged: readonly string[];
}

async function start(desk: CallDesk, options: Partial<AgiServerOptions> = {}): Promise<Started> {
  const logged: string[] = [];
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      logged.push(String(chunk));
      done();
    },
  });
  const metrics = createMetrics({ mode: 'test', version: '0' });
  const log = createLogger({ level: 'info', mode: 'test', stream });
  const server = await startAgiServer({ host: '127.0.0.1', port: 0, desk, log, metrics, ...options });
  servers.push(server);
  return { server, metrics, logged };
}

/** Takes every call and plays it as told. */
function taking(run: (channel: CallChannel, call: IncomingCall) => Promise<void>): CallDesk {
  return { admit: (call) => ({ kind: 'taken', run: (channel) => run(channel, call) }) };
}

/** A client that hears everything until the end, and answers each command. */
async function client(
  port: number,
  answer?: (line: string) => string | undefined,
): Promise<{
  readonly socket: Socket;
  readonly lines: readonly string[];
  /** Resolves once the connection is closed; to false when a reset or another error closed it. */
  readonly ended: Promise<boolean>;
}> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const lines: string[] = [];
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const all = `${text}${chunk}`.split('\n');
    text = all.pop() ?? '';
    for (const line of all) {
      lines.push(line);
      const reply = answer?.(line);
      if (reply !== undefined) socket.write(`${reply}\n`);
    }
  });
  await once(socket, 'connect');
  const ended = new Promise<boolean>((resolve) => {
    let hasEnd = false;
    socket.on('end', () => {
      hasEnd = true;
    });
    socket.on('close', (hadError) => resolve(hasEnd && !hadError));
  });
  return { socket, lines, ended };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within 10 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function counted(metrics: Metrics, name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

describe('a call', () => {
  test('is read, offered, played and given back', async () => {
    let seen: IncomingCall | undefined;
    const results: unknown[] = [];
    const { server } = await start(
      taking(async (channel, call) => {
        seen = call;
        await channel.setVariables([{ name: 'VOICEOI_CALL_ID', value: 'x' }]);
        results.push([...(await channel.readVariables(['A', 'B']))]);
        results.push(await channel.perform({ kind: 'answer' }));
        results.push(await channel.perform({ kind: 'play', prompt: { sound: 'hello' }, interrupt_digits: '' }));
        channel.close();
      }),
    );
    const answers: { readonly [line: string]: string } = {
      'GET VARIABLE A': '200 result=1 (a)',
      'GET VARIABLE B': '200 result=0',
      'STREAM FILE hello ""': '200 result=49 endpos=1',
    };
    const { socket, lines, ended } = await client(server.port, (line) => answers[line] ?? '200 result=0');
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual([
      'SET VARIABLE VOICEOI_CALL_ID "x"',
      'GET VARIABLE A',
      'GET VARIABLE B',
      'ANSWER',
      'STREAM FILE hello ""',
    ]);
    expect(results).toEqual([[['A', 'a']], { kind: 'done' }, { kind: 'played', digit: '1' }]);
    expect(seen).toMatchObject({ org_id: 'abc', campaign_id: '123' });
    await until(() => server.connections() === 0);
  });

  test('on a dead channel still sets its variables', async () => {
    const results: unknown[] = [];
    const { server } = await start(
      taking(async (channel) => {
        results.push(await channel.perform({ kind: 'answer' }), channel.hungUp);
        await channel.gone;
        await channel.setVariables([{ name: 'VOICEOI_OUTCOME', value: 'caller_hangup' }]);
        channel.close();
      }),
    );
    const { socket, lines, ended } = await client(server.port, (line) =>
      line.startsWith('SET') ? '200 result=1' : '511 Command Not Permitted on a dead channel or intercept routine',
    );
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['ANSWER', 'SET VARIABLE VOICEOI_OUTCOME "caller_hangup"']);
    expect(results).toEqual([{ kind: 'failed', reason: 'the caller is gone' }, true]);
  });

  test('whose time is over ends its effect, says its last words and closes', async () => {
    const results: unknown[] = [];
    const { server } = await start(
      taking(async (channel) => {
        const playing = channel.perform({
          kind: 'gather',
          prompts: [{ sound: 'a' }, { sound: 'b' }],
          min_digits: 1,
          max_digits: 1,
          terminator: '',
          timeout_ms: 1,
          inter_digit_timeout_ms: 1,
          speech: false,
        });
        channel.abort(5000);
        results.push(await playing);
        await channel.setVariables([{ name: 'VOICEOI_OUTCOME', value: 'limit' }]);
        channel.close();
      }),
    );
    const { socket, lines, ended } = await client(server.port, () => '200 result=0');
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['STREAM FILE a "0123456789*#"', 'SET VARIABLE VOICEOI_OUTCOME "limit"']);
    expect(results).toMatchObject([{ kind: 'failed' }]);
  });

  test('whose time is over is closed although nothing is answered', async () => {
    const results: unknown[] = [];
    const { server } = await start(
      taking(async (channel) => {
        const waiting = channel.perform({ kind: 'wait', ms: 3_600_000 });
        channel.abort(50);
        results.push(await waiting, channel.hungUp);
      }),
    );
    const { socket, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await ended;
    await until(() => results.length === 2);
    expect(results).toMatchObject([{ kind: 'failed' }, true]);
    await until(() => server.connections() === 0);
  });

  test('a variable that does not fit on the line is left out, the others are not', async () => {
    const { server } = await start(
      taking(async (channel) => {
        await channel.setVariables([
          { name: 'LONG', value: 'x'.repeat(3000) },
          { name: 'OUTCOME', value: 'completed' },
        ]);
        await channel.readVariables(['y'.repeat(3000), 'A']);
        const long = { kind: 'play', prompt: { sound: 'x'.repeat(3000) }, interrupt_digits: '' } as const;
        expect(await channel.perform(long)).toMatchObject({ kind: 'failed' });
        channel.close();
      }),
    );
    const { socket, lines, ended } = await client(server.port, () => '200 result=1');
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['SET VARIABLE OUTCOME "completed"', 'GET VARIABLE A']);
  });

  test('that ends in an unexpected error is given back, and logged', async () => {
    const { server, logged } = await start(taking(() => Promise.reject(new Error('broken desk'))));
    const { socket, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await ended;
    expect(logged.join('')).toContain('broken desk');
    await until(() => server.connections() === 0);
  });
});

describe('a call that is not taken', () => {
  const refusing: CallDesk = { admit: () => ({ kind: 'refused', reason: 'at_capacity', detail: 'no capacity\nleft' }) };

  test('is told by one line that begins with failure', async () => {
    const { server } = await start(refusing);
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    expect(await ended).toBe(true);
    expect(lines).toEqual(['failure no capacity?left']);
    await until(() => server.connections() === 0);
  });

  test('is told when its record is safe, and not before', async () => {
    let safe: () => void = () => {};
    const settled = new Promise<void>((resolve) => {
      safe = resolve;
    });
    let isAsked = false;
    const { server } = await start({
      admit: () => {
        isAsked = true;
        return { kind: 'refused', reason: 'at_capacity', detail: 'no capacity', settled };
      },
    });
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await until(() => isAsked);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(lines).toEqual([]);
    safe();
    expect(await ended).toBe(true);
    expect(lines).toEqual(['failure no capacity']);
  });

  test('hears so although it keeps talking', async () => {
    const { server } = await start(refusing);
    const { socket, lines, ended } = await client(server.port);
    socket.write(Buffer.concat([ENVIRONMENT, Buffer.alloc(200_000, 'x')]));
    expect(await ended).toBe(true);
    expect(lines).toEqual(['failure no capacity?left']);
  });

  test.each([
    ['another path', 'agi_network: yes\nagi_network_script: other\nagi_threadid: 1\n\n'],
    ['no AGI', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
    ['a line without an end', 'x'.repeat(10_000)],
    ['too many lines', 'x\n'.repeat(1000)],
  ])('%s never gets to the desk', async (_name, text) => {
    const { server, metrics } = await start(taking(() => Promise.reject(new Error('never'))));
    const { socket, lines, ended } = await client(server.port);
    socket.write(text);
    expect(await ended).toBe(true);
    expect(lines).toEqual([expect.stringMatching(/^failure /)]);
    await until(() => server.connections() === 0);
    expect(await counted(metrics, 'voiceoi_calls_refused_total')).toBe(1);
  });

  test('a desk that throws costs one call', async () => {
    const desk: CallDesk = {
      admit: () => {
        throw new Error('broken');
      },
    };
    const { server, logged } = await start(desk);
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['failure unexpected error']);
    expect(logged.join('')).toContain('broken');
  });

  test('an address that is not allowed is told, and counted', async () => {
    const { server, metrics } = await start(refusing, { allowedCidrs: ['10.0.0.0/8'] });
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    expect(await ended).toBe(true);
    expect(lines).toEqual(['failure this address is not allowed']);
    await until(() => server.connections() === 0);
    expect(await counted(metrics, 'voiceoi_agi_connections_rejected_total')).toBe(1);
  });

  test('an address that is allowed is served', async () => {
    const { server } = await start(refusing, { allowedCidrs: ['10.0.0.0/8', '127.0.0.0/8'] });
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['failure no capacity?left']);
  });
});

describe('a call that goes wrong', () => {
  test('because its caller left with the environment is told so at once', async () => {
    const seen: unknown[] = [];
    const { server } = await start(
      taking(async (channel) => {
        await channel.gone;
        seen.push(channel.hungUp);
      }),
    );
    const { socket, ended } = await client(server.port);
    socket.write(Buffer.concat([ENVIRONMENT, Buffer.from('HANGUP\n')]));
    await ended;
    expect(seen).toEqual([true]);
  });

  test.each(['end', 'resetAndDestroy'] as const)(
    'in the middle of a command (%s) is told so, and is gone',
    async (end) => {
      const results: unknown[] = [];
      const { server, logged } = await start(
        taking(async (channel) => {
          results.push(await channel.perform({ kind: 'wait', ms: 3_600_000 }));
          await channel.gone;
          await channel.setVariables([{ name: 'VOICEOI_OUTCOME', value: 'caller_hangup' }]);
          results.push(channel.hungUp, await channel.perform({ kind: 'answer' }));
          channel.close();
        }),
      );
      const { socket, lines } = await client(server.port);
      socket.write(ENVIRONMENT);
      await until(() => lines.length === 1);
      socket[end]();
      await until(() => results.length === 3 && server.connections() === 0);
      expect(results).toMatchObject([{ kind: 'failed' }, true, { kind: 'failed' }]);
      expect(logged).toEqual([]);
    },
  );

  test('that forgets to close is closed', async () => {
    const { server } = await start(taking(() => Promise.resolve()));
    const { socket, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    expect(await ended).toBe(true);
    await until(() => server.connections() === 0);
  });

  test.each([
    [
      'at once',
      () => {
        throw new Error('broken');
      },
    ],
    ['later', () => Promise.reject(new Error('broken'))],
  ])('because its run fails %s is given back, and no other call notices', async (_when, run) => {
    const { server, logged } = await start(taking(run));
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    expect(await ended).toBe(true);
    expect(lines).toEqual([]);
    expect(logged.join('')).toContain('broken');
    await until(() => server.connections() === 0);
  });
});

describe('a connection without a call', () => {
  const never: CallDesk = taking(() => Promise.reject(new Error('never')));

  test('a health check that connects and closes is nothing to log', async () => {
    const { server, logged, metrics } = await start(never);
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const { socket, ended } = await client(server.port);
      socket[end]();
      await ended;
    }
    await until(() => server.connections() === 0);
    expect(logged).toEqual([]);
    expect(await counted(metrics, 'voiceoi_calls_refused_total')).toBe(0);
  });

  test('one that says nothing is dropped', async () => {
    const { server } = await start(never, { environmentTimeoutMs: 50 });
    const { lines, ended } = await client(server.port);
    await ended;
    expect(lines).toEqual([]);
    await until(() => server.connections() === 0);
  });

  test('half an environment is a failure, so that the dialplan can try another node', async () => {
    const { server } = await start(never, { environmentTimeoutMs: 50 });
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT.subarray(0, 100));
    await ended;
    expect(lines).toEqual(['failure the environment did not come to its end']);
  });

  test('an environment has all of its time although an empty line in it looked like its end', async () => {
    const { accepted, asterisk } = await loopback.pair();
    const offered: string[] = [];
    const desk: CallDesk = {
      admit: (call) => {
        offered.push(call.campaign_id ?? '');
        return { kind: 'refused', reason: 'no_script', detail: 'heard' };
      },
    };
    const log = createLogger({ level: 'silent', mode: 'test' });
    const session = new AgiSession(accepted, { desk, log, environmentTimeoutMs: 5000, onBadRequest: () => {} });
    const [before, behind] = [
      'agi_network: yes\nagi_calleridname: Bob\n\n',
      'agi_threadid: 1\nagi_arg_1: campaign_id=7\n\n',
    ];
    for (const text of [before, 'agi_co']) {
      asterisk.write(text);
      await once(accepted, 'data');
    }
    session.sweep(performance.now() + 1000);
    asterisk.write(`ntext: rig\n${behind}`);
    const [heard] = await once(asterisk, 'data');
    expect(String(heard)).toBe('failure heard\n');
    expect(offered).toEqual(['7']);
  });

  test('a call that works before its first command is not taken for a late environment', async () => {
    const { accepted, asterisk } = await loopback.pair();
    let work = (): void => {};
    const worked = new Promise<void>((resolve) => {
      work = resolve;
    });
    const results: unknown[] = [];
    const desk = taking(async (channel) => {
      await worked;
      results.push(await channel.perform({ kind: 'answer' }));
    });
    const log = createLogger({ level: 'silent', mode: 'test' });
    const session = new AgiSession(accepted, { desk, log, environmentTimeoutMs: 5000, onBadRequest: () => {} });
    const closed = once(asterisk, 'close');
    const lines = playAsterisk(asterisk, () => ['200 result=0\n']);
    asterisk.write(ENVIRONMENT);
    await once(accepted, 'data');
    session.sweep(performance.now() + 3_600_000);
    work();
    await closed;
    expect([lines, results]).toEqual([['ANSWER'], [{ kind: 'done' }]]);
  });

  test('a client that sends no thread id gets its call all the same', async () => {
    const { server } = await start({ admit: () => ({ kind: 'refused', reason: 'no_script', detail: 'heard' }) });
    const { socket, lines, ended } = await client(server.port);
    socket.write('agi_network: yes\nagi_network_script: agi\nagi_arg_1: campaign_id=1\n\n');
    await ended;
    expect(lines).toEqual(['failure heard']);
  });

  test('a client that closes its side behind the environment hears the refusal', async () => {
    const { server } = await start({ admit: () => ({ kind: 'refused', reason: 'no_script', detail: 'heard' }) });
    const { socket, lines, ended } = await client(server.port);
    socket.end(ENVIRONMENT);
    await ended;
    expect(lines).toEqual(['failure heard']);
  });

  test('ten megabytes without a line feed are cut off early', async () => {
    const { server } = await start(never);
    const { socket, ended } = await client(server.port);
    const block = Buffer.alloc(256 * 1024, 'x');
    for (let sent = 0; sent < 40; sent++) socket.write(block);
    await ended;
    await until(() => server.connections() === 0);
  });
});

describe('the server', () => {
  const refusing: CallDesk = { admit: () => ({ kind: 'refused', reason: 'no_script', detail: 'heard' }) };

  test('two hundred calls at once are all heard', async () => {
    const { server } = await start(
      taking(async (channel) => {
        await channel.perform({ kind: 'answer' });
        channel.close();
      }),
    );
    const all = await Promise.all(
      Array.from({ length: 200 }, async () => {
        const { socket, lines, ended } = await client(server.port, () => '200 result=0');
        socket.write(ENVIRONMENT);
        await ended;
        return lines;
      }),
    );
    expect(all.filter((lines) => lines.join() !== 'ANSWER')).toEqual([]);
    await until(() => server.connections() === 0);
  });

  test('closes what is open, calls in flight too', async () => {
    const results: unknown[] = [];
    const { server } = await start(
      taking(async (channel) => {
        results.push(await channel.perform({ kind: 'wait', ms: 3_600_000 }));
      }),
    );
    const { socket, lines, ended } = await client(server.port);
    socket.write(ENVIRONMENT);
    await until(() => lines.length === 1);
    await server.close();
    await ended;
    expect(results).toMatchObject([{ kind: 'failed' }]);
    await until(() => server.connections() === 0);
  });

  test('one connection more than it may have is closed, and those before it are not', async () => {
    const { server } = await start(refusing, { maxConnections: 2 });
    const [first, second] = [await client(server.port), await client(server.port)];
    await until(() => server.connections() === 2);
    const { lines, ended } = await client(server.port);
    await ended;
    expect(lines).toEqual([]);
    for (const { socket } of [first, second]) socket.write(ENVIRONMENT);
    await Promise.all([first.ended, second.ended]);
    expect([first.lines, second.lines]).toEqual([['failure heard'], ['failure heard']]);
  });

  test('a port that is taken is told', async () => {
    const { server } = await start(taking(async () => {}));
    await expect(
      start(
        taking(async () => {}),
        { port: server.port },
      ),
    ).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
