import { afterEach, describe, expect, test } from 'vitest';
import { readXml, type XmlElement } from '../../../test/services/read-xml.ts';
import { orgOf, startNode, type TestNode } from '../../../test/services/webhook-node.ts';
import { MOST_STATE } from './seal.ts';

const SURVEY = {
  schema: 'voiceoi/script/v1',
  entry: 'ask',
  on_hangup: 'left',
  steps: {
    ask: {
      type: 'gather',
      prompts: [{ text: 'Are you {{ lead.name }}? Press 1 & wait' }],
      input: ['digits', 'speech'],
      on: { '1': 'thank', yes: 'thank', timeout: 'bye', invalid: 'bye' },
    },
    thank: { type: 'play', prompts: [{ text: 'Thank you' }], next: 'good' },
    good: { type: 'hangup', disposition: 'YES' },
    bye: { type: 'hangup', disposition: 'NO' },
    left: { type: 'dispose', disposition: 'LEFT', next: 'end' },
    end: { type: 'return' },
  },
};

const nodes: TestNode[] = [];
afterEach(async () => void (await Promise.all(nodes.splice(0).map((node) => node.close()))));
async function survey(): Promise<TestNode> {
  const node = await startNode({ org: orgOf(SURVEY) });
  nodes.push(node);
  return node;
}
const callsIn = (node: TestNode) =>
  node
    .records()
    .filter(({ type }) => type === 'call')
    .map(({ outcome, disposition, caller }) => [outcome, disposition, caller]);

describe('a call from Twilio', () => {
  const form = { CallSid: 'CA1', From: '+15550199', To: '+15550100', Direction: 'inbound', CallStatus: 'in-progress' };
  const post = async (node: TestNode, query: string, fields: object = {}): Promise<XmlElement> => {
    const response = await node.post(query, new URLSearchParams({ ...form, ...fields }).toString());
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/xml; charset=utf-8']);
    return readXml(await response.text());
  };
  const begin = (node: TestNode, fields: object = {}) => post(node, '?dialect=twiml&lead.name=Ann', fields);
  const queryOf = (asked: XmlElement): string => new URL(asked.children[0]?.attributes['action'] ?? '').search;

  test('goes on by the addresses that it was given, on any node', async () => {
    const [a, b] = [await survey(), await survey()];
    const asked = await begin(a);
    expect(asked.children[0]).toMatchObject({ name: 'Gather', children: [{ text: 'Are you Ann? Press 1 & wait' }] });
    expect(queryOf(asked)).toContain('dialect=twiml&lead.name=Ann&state=');
    expect(queryOf(asked).length).toBeLessThan(2048);
    const end = await post(b, queryOf(asked), { SpeechResult: 'Yes' });
    expect(end.children.map(({ name, text }) => [name, text])).toEqual([
      ['Say', 'Thank you'],
      ['Hangup', ''],
    ]);
    expect(callsIn(b)).toEqual([['completed', 'YES', '+15550199']]);
  });

  test('is begun once, however often its beginning is told', async () => {
    const node = await survey();
    expect(await begin(node)).toEqual(await begin(node));
    expect(node.records().filter(({ type }) => type === 'call_start')).toHaveLength(1);
    await begin(node, { CallSid: 'CA2' });
    expect(node.desk.activeCalls).toBe(2);
  });

  test('ends when its end is told, with or without the state', async () => {
    const node = await survey();
    await begin(node);
    expect(await post(node, '?dialect=twiml&status=1', { CallStatus: 'ringing' })).toMatchObject({ children: [] });
    expect(callsIn(node)).toEqual([]);
    await post(node, '?dialect=twiml&status=1', { CallStatus: 'completed' });
    expect(callsIn(node)).toEqual([['caller_hangup', 'LEFT', '+15550199']]);
    await post(node, '?dialect=twiml&status=1', { CallStatus: 'completed' });
    expect(callsIn(node)).toHaveLength(1);
  });

  test('of which a node knows nothing is no call when its end is told', async () => {
    const node = await survey();
    expect(await post(node, '?dialect=twiml', { CallStatus: 'completed' })).toMatchObject({
      name: 'Response',
      children: [],
    });
    expect(node.records()).toEqual([]);
  });

  test('goes on with its own state alone', async () => {
    const node = await survey();
    const asked = await begin(node);
    const other = await node.post(queryOf(asked), new URLSearchParams({ ...form, CallSid: 'CA9' }).toString());
    expect(other.status).toBe(400);
    expect(await other.json()).toMatchObject({ code: 'STATE_INVALID' });
    const long = await node.post(
      `?dialect=twiml&state=${'A'.repeat(MOST_STATE)}`,
      new URLSearchParams(form).toString(),
    );
    expect(long.status).toBe(400);
  });
});

describe('a call from jambonz', () => {
  const fields = { call_sid: 'c1', from: '+15550199', to: '100', direction: 'inbound', call_status: 'in-progress' };
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever was answered
  const post = async (node: TestNode, query: string, rest: object = {}): Promise<any> =>
    (await node.post(query, JSON.stringify({ ...fields, ...rest }))).json();

  test('is played from its beginning to its end', async () => {
    const node = await survey();
    const [gather] = await post(node, '?dialect=jambonz&lead.name=Ann', { call_status: 'trying' });
    expect(gather).toMatchObject({ verb: 'gather', say: { text: 'Are you Ann? Press 1 & wait' } });
    const verbs = await post(node, new URL(gather.actionHook).search, { digits: '1', reason: 'dtmfDetected' });
    expect(verbs).toEqual([{ verb: 'say', text: 'Thank you' }, { verb: 'hangup' }]);
    expect(await post(node, '?dialect=jambonz&status=1', { call_status: 'completed' })).toEqual(verbs);
    expect(callsIn(node)).toEqual([['completed', 'YES', '+15550199']]);
  });
});
