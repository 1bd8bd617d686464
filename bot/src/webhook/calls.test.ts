import { createServer } from 'node:http';
import { CallEventRecord, CallRecord, CallStartRecord, WebhookAnswer } from '@voiceoi/contracts';
import { compile, type SimulatedInput, simulate } from '@voiceoi/script';
import fc from 'fast-check';
import { Check } from 'typebox/value';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MENU, orgOf, startNode, type TestNode } from '../../../test/services/webhook-node.ts';

const nodes: TestNode[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(nodes.splice(0).map((node) => node.close()));
});

async function node(options: Parameters<typeof startNode>[0] = {}): Promise<TestNode> {
  const started = await startNode(options);
  nodes.push(started);
  return started;
}

const caller = { number: '+15550199', name: 'Ann' };
const typesOf = (body: { actions: readonly { type: string }[] }) => body.actions.map(({ type }) => type);
const callsIn = (made: TestNode) => made.records().filter(({ type }) => type === 'call');

describe('a call over webhooks', () => {
  test('is played request by request, and leaves the records of a call', async () => {
    const made = await node();
    const first = await made.json({ event: 'start', caller, lead: { id: '7' } });
    expect(first).toMatchObject({ status: 200, body: { done: false, state: expect.stringMatching(/^[\w-]{100,}$/) } });
    expect(typesOf(first.body)).toEqual(['answer', 'play', 'gather']);
    expect(made.desk.activeCalls).toBe(1);
    const second = await made.json({ event: 'input', digits: '1', state: first.body.state });
    expect(second.body.actions).toEqual([{ type: 'dial', to: '+15550100', timeout_seconds: 30 }]);
    const third = await made.json({ event: 'input', dial_status: 'busy', state: second.body.state });
    expect(third.body).toEqual({
      call_id: first.body.call_id,
      state: '',
      actions: [{ type: 'hangup' }],
      done: true,
      outcome: 'completed',
      disposition: 'NI',
    });
    for (const { body } of [first, second, third]) expect(Check(WebhookAnswer, body)).toBe(true);
    expect(made.desk.activeCalls).toBe(0);

    const records = made.records();
    expect(records.map(({ type }) => type)).toEqual(['call_start', ...Array(5).fill('call_event'), 'call']);
    expect(records.slice(1, 6).map(({ seq, step, outcome }) => [seq, step, outcome])).toEqual([
      [0, 'answer', 'done'],
      [1, 'hello', 'done'],
      [2, 'menu', '1'],
      [3, 'agent', 'busy'],
      [4, 'bye', 'completed'],
    ]);
    expect(Check(CallStartRecord, records[0])).toBe(true);
    for (const event of records.slice(1, 6)) expect(Check(CallEventRecord, event)).toBe(true);
    expect(Check(CallRecord, records[6])).toBe(true);
    expect(records[6]).toMatchObject({
      call_id: first.body.call_id,
      caller: '+15550199',
      lead_id: '7',
      steps: 5,
      answered_at: expect.any(String),
      first_command_ms: expect.any(Number),
      slowest_turn_ms: expect.any(Number),
    });
    expect(new Set(records.map(({ id }) => id)).size).toBe(7);
    const metrics = await made.metrics();
    expect(metrics).toContain('voiceoi_calls_total{org="abc",campaign="1",outcome="completed"} 1');
    expect(metrics).toContain('voiceoi_webhook_request_seconds_count{org="abc",dialect="json",code="200"} 3');
  });

  test('asks again when nothing was pressed, and takes its outcome after the last attempt', async () => {
    const made = await node();
    const first = await made.json({ event: 'start' });
    const again = await made.json({ event: 'input', state: first.body.state });
    expect(typesOf(again.body)).toEqual(['gather']);
    const last = await made.json({ event: 'input', digits: '', state: again.body.state });
    expect(last.body).toMatchObject({ done: true, disposition: 'NI' });
  });

  test('runs on_hangup when the caller leaves', async () => {
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    const gone = await made.json({ event: 'hangup', state: body.state });
    expect(gone.body).toMatchObject({ done: true, actions: [], outcome: 'caller_hangup', disposition: 'AB' });
    expect(callsIn(made)).toMatchObject([{ outcome: 'caller_hangup', disposition: 'AB' }]);
  });

  test('is known without its state on the node that remembers it', async () => {
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    const end = await made.json({ event: 'input', digits: '2', call_id: body.call_id });
    expect(end.body).toMatchObject({ done: true, outcome: 'completed' });
    const elsewhere = await node();
    const unknown = await elsewhere.json({ event: 'input', call_id: body.call_id });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'CALL_UNKNOWN' } });
  });

  test('answers a request that is sent again with the same, and plays it once', async () => {
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    const request = { event: 'input', digits: '1', state: body.state };
    const [one, two] = await Promise.all([made.json(request), made.json(request)]);
    const three = await made.json(request);
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    const end = { event: 'input', dial_status: 'answered', state: one.body.state };
    expect(await made.json(end)).toEqual(await made.json(end));
    expect(callsIn(made)).toHaveLength(1);
    expect(made.records().filter(({ step }) => step === 'menu')).toHaveLength(1);
  });

  test('does not go on from where it was before', async () => {
    const made = await node();
    const first = await made.json({ event: 'start' });
    const second = await made.json({ event: 'input', digits: '1', state: first.body.state });
    const other = await made.json({ event: 'input', digits: '2', state: first.body.state });
    expect(other).toMatchObject({ status: 409, body: { code: 'STATE_STALE' } });
    await made.json({ event: 'input', dial_status: 'answered', state: second.body.state });
    const late = await made.json({ event: 'input', digits: '2', state: first.body.state });
    expect(late).toMatchObject({ status: 409, body: { code: 'CALL_OVER' } });
    expect(callsIn(made)).toHaveLength(1);
  });

  test('goes on at another node, which tells each step once, and a turn that both have answered is one', async () => {
    const a = await node({ nodeId: 'a' });
    const b = await node({ nodeId: 'b' });
    const first = await a.json({ event: 'start', caller });
    const request = { event: 'input', digits: '1', state: first.body.state };
    const onA = await a.json(request);
    const onB = await b.json(request);
    expect(onB.body.actions).toEqual(onA.body.actions);
    expect(b.desk.activeCalls).toBe(1);
    const end = await b.json({ event: 'input', dial_status: 'answered', state: onB.body.state });
    expect(end.body).toMatchObject({ done: true, call_id: first.body.call_id, outcome: 'completed' });
    const stepsOf = (made: TestNode) =>
      made
        .records()
        .filter(({ type }) => type === 'call_event')
        .map(({ id, seq }) => `${seq} ${id}`);
    const steps = new Set([...stepsOf(a), ...stepsOf(b)]);
    expect(steps.size).toBe(5);
    expect(stepsOf(a).at(-1)).toBe(stepsOf(b)[0]);
    expect(callsIn(b)).toMatchObject([{ call_id: first.body.call_id, node_id: 'b', steps: 5, caller: caller.number }]);
    expect(callsIn(a)).toEqual([]);
  });

  test('keeps the version it began with, and ends where a node never had that version', async () => {
    const a = await node();
    const b = await node({ org: orgOf({ ...MENU, entry: 'bye' }, {}, 2) });
    const { body } = await a.json({ event: 'start' });
    a.publish(orgOf({ ...MENU, entry: 'bye' }, {}, 2));
    const goesOn = await a.json({ event: 'input', digits: '', state: body.state });
    expect(typesOf(goesOn.body)).toEqual(['gather']);
    const ends = await b.json({ event: 'input', digits: '1', state: body.state });
    expect(ends.body).toMatchObject({ done: true, outcome: 'failed', actions: [] });
    expect(callsIn(b)).toMatchObject([
      { outcome: 'failed', version: 1, reason: expect.stringContaining('version 1 of script "s"') },
    ]);
  });

  test('is refused like any other when it may not begin, with its record', async () => {
    const made = await node({ maxCalls: 1 });
    expect((await made.json({ event: 'start' })).status).toBe(200);
    const full = await made.post('', JSON.stringify({ event: 'start' }));
    expect(full.status).toBe(503);
    expect(full.headers.get('retry-after')).toBe('1');
    expect(await full.json()).toMatchObject({ code: 'AT_CAPACITY' });
    made.desk.stopTaking();
    expect(await made.json({ event: 'start' })).toMatchObject({ status: 503, body: { code: 'DRAINING' } });
    expect(callsIn(made).map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['refused', 'at_capacity'],
      ['refused', 'draining'],
    ]);
    made.publish(undefined);
    const there = await node({ org: undefined });
    expect(await there.json({ event: 'start' })).toMatchObject({ status: 503, body: { code: 'NO_CONFIGURATION' } });
  });

  test('lets a node that drains wait for its end, and is cut with its record when there is no more time', async () => {
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    made.desk.stopTaking();
    let isIdle = false;
    const idle = made.desk.idle(10_000).then(() => {
      isIdle = true;
    });
    const dialling = await made.json({ event: 'input', digits: '1', state: body.state });
    expect(dialling.status).toBe(200);
    expect(isIdle).toBe(false);
    made.desk.cutAll('the node has ended', 100);
    await idle;
    expect(callsIn(made)).toMatchObject([{ outcome: 'failed', reason: 'the node has ended' }]);
    const late = await made.json({ event: 'input', dial_status: 'answered', state: dialling.body.state });
    expect(late.body).toMatchObject({ done: true, outcome: 'failed' });
    expect(callsIn(made)).toHaveLength(1);
  });

  test('is told that it is over only when its record is safe', async () => {
    let safe: () => void = () => {};
    const settled = new Promise<void>((resolve) => {
      safe = resolve;
    });
    const made = await node({ settled: () => settled });
    const { body } = await made.json({ event: 'start' });
    let answered = false;
    const end = made.json({ event: 'input', digits: '2', state: body.state }).then((answer) => {
      answered = true;
      return answer;
    });
    await vi.waitFor(() => expect(callsIn(made)).toHaveLength(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    safe();
    expect((await end).body.done).toBe(true);
  });

  test('ends as limit with the request that comes too late', async () => {
    const made = await node({ org: orgOf({ ...MENU, limits: { max_call_seconds: 60 } }) });
    vi.useFakeTimers({ toFake: ['Date'] });
    const { body } = await made.json({ event: 'start' });
    vi.setSystemTime(Date.now() + 61_000);
    const late = await made.json({ event: 'input', digits: '1', state: body.state });
    expect(late.body).toMatchObject({ done: true, outcome: 'limit' });
    expect(callsIn(made)).toMatchObject([{ outcome: 'limit' }]);
  });

  test('whose next request never comes has its one record when it must be over, and its state is no good then', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const made = await node({ org: orgOf({ ...MENU, limits: { max_call_seconds: 60 } }) });
    const elsewhere = await node({ org: orgOf({ ...MENU, limits: { max_call_seconds: 60 } }) });
    const { body } = await made.json({ event: 'start' });
    vi.setSystemTime(Date.now() + 121_000);
    await vi.waitFor(() => expect(callsIn(made)).toMatchObject([{ outcome: 'limit' }]));
    expect(made.desk.activeCalls).toBe(0);
    const late = await elsewhere.json({ event: 'input', digits: '1', state: body.state });
    expect(late).toMatchObject({ status: 400, body: { code: 'STATE_EXPIRED' } });
    expect(callsIn(elsewhere)).toEqual([]);
  });

  test('that is quiet for ten minutes counts no more; it may go on, and is still one call', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    const later = (seconds: number) => vi.advanceTimersByTime(seconds * 1000);
    later(601);
    await vi.waitFor(() => expect(made.desk.activeCalls).toBe(0));
    expect(callsIn(made)).toEqual([]);
    const end = await made.json({ event: 'input', digits: '2', state: body.state });
    expect(end.body).toMatchObject({ done: true, outcome: 'completed', call_id: body.call_id });
    expect(callsIn(made)).toMatchObject([{ outcome: 'completed', steps: 4 }]);
  });

  test('that went on elsewhere, or nowhere, is told of once it must be over', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    const made = await node();
    await made.json({ event: 'start' });
    vi.advanceTimersByTime(601_000);
    await vi.waitFor(() => expect(made.desk.activeCalls).toBe(0));
    vi.advanceTimersByTime(3600_000);
    await vi.waitFor(() =>
      expect(callsIn(made)).toMatchObject([{ outcome: 'failed', reason: 'no further request came', steps: 2 }]),
    );
    expect(Number(callsIn(made)[0]?.['duration_ms'])).toBeLessThan(60_000);
  });

  test('of a caller who was put through counts as long as they may talk', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    const made = await node();
    const { body } = await made.json({ event: 'start' });
    const dialling = await made.json({ event: 'input', digits: '1', state: body.state });
    await made.json({ event: 'start' });
    vi.advanceTimersByTime(1_800_000);
    // The other one is let go of.
    await vi.waitFor(() => expect(made.desk.activeCalls).toBe(1));
    const end = await made.json({ event: 'hangup', dial_status: 'answered', state: dialling.body.state });
    expect(end.body).toMatchObject({ done: true, outcome: 'caller_hangup' });
  });

  test('takes its variables along, of every type', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'ask',
      variables: {
        n: { type: 'int', default: 1 },
        x: { type: 'double', default: 0.5 },
        list: { type: 'list', default: [1, 'a'] },
        map: { type: 'map', default: {} },
      },
      steps: {
        ask: { type: 'gather', on: { match: 'set', timeout: 'set', invalid: 'set' } },
        set: { type: 'set', values: { n: 'vars.n + 1', map: '{"big": 9007199254740993, "n": vars.n}' }, next: 'again' },
        again: { type: 'gather', on: { match: 'tell', timeout: 'tell', invalid: 'tell' } },
        tell: {
          type: 'dispose',
          disposition: 'X',
          comment: '{{ vars.n + 1 }} {{ vars.x }} {{ vars.list[1] }} {{ vars.map.big }}',
          next: 'end',
        },
        end: { type: 'return' },
      },
    };
    const org = orgOf(document);
    const made = [await node({ org }), await node({ org }), await node({ org })] as const;
    const first = await made[0].json({ event: 'start' });
    const second = await made[1].json({ event: 'input', digits: '1', state: first.body.state });
    const third = await made[2].json({ event: 'input', digits: '1', state: second.body.state });
    expect(third.body).toMatchObject({ done: true, outcome: 'completed' });
    expect(callsIn(made[2])).toMatchObject([{ comment: '3 0.5 a 9007199254740993' }]);
  });

  test('fails with a clear reason when its state grows beyond what can be carried', async () => {
    const big = { ...MENU, steps: { ...MENU.steps, answer: { type: 'dispose', disposition: 'X', next: 'menu' } } };
    const made = await node({ org: orgOf(big) });
    const lead = Object.fromEntries(
      Array.from({ length: 60 }, (_, index) => [
        `k${index}`,
        Buffer.from(crypto.getRandomValues(new Uint8Array(120))).toString('hex'),
      ]),
    );
    const answer = await made.json({ event: 'start', lead });
    expect(answer.body).toMatchObject({ done: true, outcome: 'failed', state: '' });
    expect(callsIn(made)).toMatchObject([{ reason: expect.stringMatching(/state has \d+ characters/) }]);
  });
});

describe('the same script', () => {
  const gone = { simulated: { hangup: true } as const, heard: { event: 'hangup' } };
  const pressed = (digits: string) => ({ simulated: { digits }, heard: { event: 'input', digits } });
  const dialled = (status: string) => ({
    simulated: { outcome: status },
    heard: { event: 'input', dial_status: status },
  });
  /** What a caller may do at an action that waits. */
  const CHOICES: {
    readonly [action: string]: readonly { readonly simulated: SimulatedInput; readonly heard: object }[];
  } = {
    gather: [
      ...[pressed('1'), pressed('2'), pressed('7'), gone],
      { simulated: { timeout: true }, heard: { event: 'input' } },
    ],
    dial: [dialled('busy'), dialled('answered'), dialled('no_answer'), gone],
  };

  test('takes the same steps as in the simulator, whichever node each request comes to', async () => {
    const made = [await node({ maxCalls: 10_000 }), await node({ maxCalls: 10_000 })] as const;
    const compiled = compile(MENU);
    if (!compiled.ok) throw new Error('the script compiles');
    const turns = fc.array(fc.tuple(fc.nat(19), fc.boolean()), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(turns, async (ways) => {
        let { body } = await made[0].json({ event: 'start' });
        const id = body.call_id;
        const inputs: SimulatedInput[] = [];
        for (const [choice, isFirst] of ways) {
          if (body.done) break;
          const choices = CHOICES[body.actions.at(-1).type] ?? [];
          const chosen = choices[choice % choices.length] ?? gone;
          inputs.push(chosen.simulated);
          body = (await made[isFirst ? 0 : 1].json({ ...chosen.heard, state: body.state })).body;
        }
        const simulated = simulate(compiled.script, { inputs });
        const records = made.flatMap((each) => each.records()).filter(({ call_id }) => call_id === id);
        const events = records.filter(({ type }) => type === 'call_event');
        const steps = events.sort((a, b) => Number(a['seq']) - Number(b['seq']));
        expect(steps.map(({ step, outcome }) => [step, outcome])).toEqual(
          simulated.steps.map(({ step, outcome }) => [step, outcome]),
        );
        expect([body.outcome, body.disposition]).toEqual([simulated.outcome, simulated.disposition]);
        expect(records.filter(({ type }) => type === 'call')).toHaveLength(1);
      }),
      { numRuns: 80 },
    );
  });
});

describe('steps of a script', () => {
  test('that ask a server are carried out by the node, after what is to be heard before', async () => {
    const asked: string[] = [];
    const crm = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.setHeader('content-type', 'application/json').end('{"plan":"gold"}');
    });
    await new Promise<void>((resolve) => crm.listen(0, '127.0.0.1', resolve));
    const address = crm.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'wait',
      on_error: 'end',
      variables: { plan: { type: 'string', default: '' } },
      steps: {
        wait: { type: 'play', prompts: ['one-moment'], next: 'ask' },
        ask: {
          type: 'webhook',
          url: `http://127.0.0.1:${port}/{{ call.caller.number }}`,
          save: { plan: 'input.response.body.plan' },
          next: 'say',
        },
        say: { type: 'say', as: 'letters', value: '{{ vars.plan }}', next: 'end' },
        end: { type: 'return', variables: { PLAN: '{{ vars.plan }}' } },
      },
    };
    const made = await node({ org: orgOf(document, { webhook_allow: ['127.0.0.1'] }) });
    const first = await made.json({ event: 'start', caller: { number: '42' } });
    expect(first.body).toMatchObject({ done: false, actions: [{ type: 'play', prompt: { sound: 'one-moment' } }] });
    expect(asked).toEqual([]);
    const second = await made.json({ event: 'input', state: first.body.state });
    expect(asked).toEqual(['/42']);
    expect(second.body).toMatchObject({
      done: true,
      outcome: 'completed',
      actions: [
        { type: 'say', as: 'letters', value: 'gold' },
        { type: 'set', variables: [{ name: 'PLAN', value: 'gold' }] },
      ],
    });
    crm.close();
  });

  test('that only a telephone system can do take their outcome', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'amd',
      steps: {
        amd: { type: 'amd', on: { human: 'bad', machine: 'bad', error: 'exec' } },
        exec: { type: 'exec', application: 'NoOp', on: { done: 'bad', unavailable: 'good' } },
        good: { type: 'hangup', disposition: 'GOOD' },
        bad: { type: 'hangup', disposition: 'BAD' },
      },
    };
    const made = await node({ org: orgOf(document) });
    expect((await made.json({ event: 'start' })).body).toMatchObject({ done: true, disposition: 'GOOD' });
  });

  test('that play for ever come back now and then', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'music',
      steps: {
        music: { type: 'play', prompts: ['music'], next: 'pause' },
        pause: { type: 'wait', ms: 1000, next: 'music' },
      },
    };
    const made = await node({ org: orgOf(document) });
    const first = await made.json({ event: 'start' });
    expect(first.body).toMatchObject({ done: false });
    expect(first.body.actions).toHaveLength(20);
    const second = await made.json({ event: 'input', state: first.body.state });
    expect(typesOf(second.body).slice(0, 2)).toEqual(['play', 'wait']);
  });

  test('that a key may interrupt hear of it', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'play',
      steps: {
        play: { type: 'play', prompts: ['long'], interrupt_digits: '1#', on: { done: 'no', digit: 'yes' } },
        yes: { type: 'hangup', disposition: 'YES' },
        no: { type: 'hangup', disposition: 'NO' },
      },
    };
    const made = await node({ org: orgOf(document) });
    const endOf = async (digits: string) => {
      const { body } = await made.json({ event: 'start' });
      return (await made.json({ event: 'input', digits, state: body.state })).body.disposition;
    };
    expect([await endOf('1'), await endOf('2'), await endOf('')]).toEqual(['YES', 'NO', 'NO']);
  });

  test('that record bring the recording, also of a caller who hung up in its midst', async () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'record',
      on_hangup: 'left',
      steps: {
        record: { type: 'record', name: 'm', next: 'done' },
        done: { type: 'dispose', disposition: 'REC', comment: '{{ input.recording.file }}', next: 'end' },
        left: { type: 'dispose', disposition: 'LEFT', comment: '{{ input.recording.ended_by }}', next: 'end' },
        end: { type: 'return' },
      },
    };
    const made = await node({ org: orgOf(document) });
    const recording = { file: 'https://x.example/1.wav', duration_ms: 1500 };
    for (const event of ['input', 'hangup']) {
      const { body } = await made.json({ event: 'start' });
      await made.json({ event, recording, state: body.state });
    }
    expect(callsIn(made).map(({ disposition, comment }) => [disposition, comment])).toEqual([
      ['REC', 'https://x.example/1.wav'],
      ['LEFT', 'hangup'],
    ]);
  });
});
