import { describe, expect, test } from 'vitest';
import { readRecording } from '../../../test/services/agi-recordings.ts';
import type { IncomingCall } from '../calls/index.ts';
import { type CallRequest, readCallRequest } from './call-request.ts';
import { type AgiVariables, EnvironmentReader } from './environment.ts';

function recorded(name: string): CallRequest {
  const progress = new EnvironmentReader().push(Buffer.concat(readRecording(name).environment));
  if (progress.kind !== 'complete') throw new Error(`the environment is ${progress.kind}`);
  return readCallRequest(progress.environment, 1);
}

const NOTHING: AgiVariables = {
  network: undefined,
  network_script: undefined,
  channel: undefined,
  language: undefined,
  uniqueid: undefined,
  callerid: undefined,
  calleridname: undefined,
  dnid: undefined,
  context: undefined,
  extension: undefined,
};

function request(variables: Partial<AgiVariables>, ...words: readonly string[]): CallRequest {
  return readCallRequest({ variables: { ...NOTHING, network: 'yes', ...variables }, arguments: words }, 1);
}

function call(asked: CallRequest): IncomingCall {
  if ('refused' in asked) throw new Error(asked.refused);
  return asked.call;
}

describe('who is called', () => {
  test.each(['16', '22'])('the contract’s dialplan line on Asterisk %s', (version) => {
    expect(call(recorded(`${version}/agi-1000`))).toMatchObject({
      org_id: 'abc',
      campaign_id: '123',
      caller: { number: '3125550100', name: 'V1122101500000012345' },
      lead: { id: '12345' },
      context: 'rig',
      extension: '1000',
      language: 'en',
      dnid: '',
      accepted_at: 1,
    });
  });

  const vicidial = { caller: { number: '3125550100', name: 'V1122101500000012345' }, lead: { id: '12345' } };
  test.each(
    ['16', '22'].flatMap((version) =>
      (
        [
          ['agi-1001', 'a query string', { ...vicidial, org_id: 'abc', campaign_id: '123', args: {} }],
          ['agi-1010', 'odd arguments, of which only one names something', { ...vicidial, args: { a: 'b=c' } }],
          [
            'agi-1011',
            'UTF-8',
            {
              caller: { number: '+15551230000', name: 'Zoë "Ω" 日本 <x>' },
              args: { naïve: '日本', emoji: '😀' },
              lead: {},
            },
          ],
          [
            'agi-1012',
            'an argument that Asterisk cut near 4 kB, and the one behind it',
            { ...vicidial, args: { long: '0123456789abcdef'.repeat(256).slice(0, 4095), after: '1' } },
          ],
          ['agi-1014', 'thirty words that name nothing', { ...vicidial, args: {} }],
          ['agi-1020', 'an address found through SRV', { ...vicidial, args: { x: '1' } }],
          ['noscript-1003', 'an address without a path', { ...vicidial, args: {} }],
        ] as const
      ).map(([name, what, expected]) => [`${version}/${name}`, what, expected] as const),
    ),
  )('%s: %s', (name, _what, expected) => {
    const { org_id, campaign_id, args, lead, caller, extension, unique_id } = call(recorded(name));
    expect({
      ...(org_id !== undefined && { org_id }),
      ...(campaign_id !== undefined && { campaign_id }),
      args: { ...args },
      lead: { ...lead },
      caller,
    }).toEqual(expected);
    expect(extension).toBe(name.slice(-4));
    expect(unique_id).toMatch(/^\d+\.\d+$/);
  });

  test.each(['noscript-1003', 'noscript-1015', 'agi-1002', 'agi-1020'])('%s has a path that is ours', (name) => {
    expect(recorded(`16/${name}`)).toHaveProperty('call');
  });

  test('another path is refused', () => {
    for (const version of ['16', '22'])
      expect(recorded(`${version}/agi-1017`)).toEqual({ refused: 'path "a b/agi" is not /agi' });
    for (const script of ['other', 'agi/x', 'AGI', '..', 'agi2', 'x?campaign_id=1'])
      expect(request({ network_script: script })).toHaveProperty('refused');
  });

  test('something that is no AGI at all is refused', () => {
    expect(readCallRequest({ variables: NOTHING, arguments: [] }, 1)).toHaveProperty('refused');
  });

  test('a query without a path is read', () => {
    expect(call(request({ network_script: '?campaign_id=9' })).campaign_id).toBe('9');
  });

  test('arguments win over the query, and the last of a name wins over the others', () => {
    const asked = request(
      { network_script: 'agi?campaign_id=1&campaign_id=2&org_id=q&plan=a' },
      'campaign_id=3',
      'campaign_id=4',
      'plan=b',
      'plan=c',
    );
    expect(call(asked)).toMatchObject({ org_id: 'q', campaign_id: '4', args: { plan: 'c' } });
  });

  test('spaces around names and values are taken off, and words without = are none of ours', () => {
    const asked = call(request({}, '  org_id =  abc  ', 'hello world', '=x', ' a = b=c ', 'empty='));
    expect(asked.org_id).toBe('abc');
    expect({ ...asked.args }).toEqual({ a: 'b=c', empty: '' });
  });
});

describe('what goes along', () => {
  test('a query is percent-decoded escape by escape, and a plus is a plus', () => {
    const asked = request({ network_script: 'agi?a=%20x%C3%A9&b=%zz%41&c=%E0%A4&phone=+1555&na%6De=y' });
    expect({ ...call(asked).args }).toEqual({ a: ' xé', b: '%zzA', c: '%E0%A4', phone: '+1555', name: 'y' });
  });

  test('names of prototypes are names like any other', () => {
    const { args, lead } = call(
      request({}, '__proto__=evil', 'constructor=x', 'lead.__proto__=worse', 'lead.toString=y', 'lead.=nothing'),
    );
    expect(Object.entries(args)).toEqual([
      ['__proto__', 'evil'],
      ['constructor', 'x'],
    ]);
    expect(Object.entries(lead)).toEqual([
      ['__proto__', 'worse'],
      ['toString', 'y'],
    ]);
    expect(Object.getPrototypeOf(args)).toBeNull();
    expect(({} as { evil?: unknown }).evil).toBeUndefined();
  });

  test('a lead that is given wins over the one in VICIdial’s caller name', () => {
    const asked = request({ calleridname: 'V1122101500000012345' }, 'lead.age=30');
    expect({ ...call(asked).lead }).toEqual({ age: '30' });
  });

  test.each([
    ['V1122101500000012345', '12345'],
    ['M11221015000000012345', '12345'],
    ['Y1122101500000000001', '1'],
    ['V1122101500000000000', undefined],
    ['X1122101500000012345', undefined],
    ['V11221015', undefined],
    ['John Smith', undefined],
  ])('the lead of caller name %s is %s', (calleridname, id) => {
    expect(call(request({ calleridname })).lead['id']).toBe(id);
  });

  test('what Asterisk does not know is empty', () => {
    expect(call(request({ callerid: 'unknown', calleridname: 'unknown', dnid: 'unknown' }))).toMatchObject({
      caller: { number: '', name: '' },
      dnid: '',
    });
  });

  test('VICIdial’s legs as they were recorded', () => {
    expect(call(recorded('16/agi-8369'))).toMatchObject({
      args: { amd: 'NOTSURE-TOOLONG-4902' },
      lead: { id: '12345' },
    });
    expect(call(recorded('16/vici-8368-redirected-carrier-leg'))).toMatchObject({
      caller: { number: '8005551212' },
      args: { lead: '12345', peer: '', cid: 'V1122101500000012345 <8005551212>' },
    });
  });
});
