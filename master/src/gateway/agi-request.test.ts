import { describe, expect, test } from 'vitest';
import { AgiRequestReader } from './agi-request.ts';

function environment(options: { args?: readonly string[]; script?: string; name?: string; thread?: boolean } = {}) {
  const { args = [], script = 'agi', name = 'Bob', thread = true } = options;
  return [
    'agi_network: yes',
    `agi_network_script: ${script}`,
    `agi_request: agi://host/${script}`,
    'agi_callerid: 1',
    `agi_calleridname: ${name}`,
    ...(thread ? ['agi_threadid: 1'] : []),
    ...args.map((word, index) => `agi_arg_${index + 1}: ${word}`),
    '',
    '',
  ].join('\n');
}
function read(text: string): AgiRequestReader {
  const reader = new AgiRequestReader();
  expect(reader.push(Buffer.from(text)).kind).toBe('complete');
  return reader;
}

describe('the organization of a call', () => {
  test.each([
    [['campaign_id=123', ' org_id=abc'], 'agi'],
    [['org_id = abc '], 'agi?org_id=other'],
    [['org_id=other', 'org_id=abc'], 'agi'],
    [[], 'agi?campaign_id=1&org_id=abc'],
    [[], 'agi?org%5Fid=%61bc'],
    [[], 'agi?org_id=other&org_id=abc&x=%'],
  ])('is named by arguments %j and the address %s', (args, script) =>
    expect(read(environment({ args, script })).orgId()).toBe('abc'),
  );

  test('is empty when the call names none', () => {
    expect(read(environment()).orgId()).toBe('');
    expect(read(environment({ args: ['my_org_id=abc', 'org_id'] })).orgId()).toBe('');
  });

  test('is the same wherever the bytes are cut, and every byte is kept', () => {
    const text = environment({ args: ['org_id=abc'], name: 'Zoë' });
    const bytes = Buffer.from(text.replaceAll('\n', '\r\n'));
    for (let size = 1; size < bytes.length; size += 7) {
      const reader = new AgiRequestReader();
      const kinds = [];
      for (let at = 0; at < bytes.length; at += size) kinds.push(reader.push(bytes.subarray(at, at + size)).kind);
      expect(kinds.at(-1)).toBe('complete');
      expect(kinds.slice(0, -1).every((kind) => kind === 'more')).toBe(true);
      expect([reader.orgId(), reader.bytes().equals(bytes)]).toEqual(['abc', true]);
    }
  });

  test('is not what a line break in a caller’s name makes it', () => {
    const forged = 'x\nagi_network_script: agi?org_id=evil\nagi_threadid: 1\nagi_arg_1: org_id=evil\n\nagi_more: 1';
    expect(read(environment({ name: forged, args: ['org_id=abc'] })).orgId()).toBe('abc');
    expect(read(environment({ name: forged, script: 'agi?org_id=abc' })).orgId()).toBe('abc');
  });

  test('is read from a client that says no agi_threadid, which may not have said all', () => {
    const reader = new AgiRequestReader();
    const text = environment({ thread: false, args: ['org_id=abc'] });
    expect(reader.push(Buffer.from(text)).kind).toBe('perhaps');
    expect(reader.orgId()).toBe('abc');
  });

  test('is not looked for in more than 64 KiB or a thousand pieces', () => {
    expect(new AgiRequestReader().push(Buffer.alloc(64 * 1024 + 1, 'x')).kind).toBe('too_long');
    const reader = new AgiRequestReader();
    const kinds = Array.from({ length: 1001 }, () => reader.push(Buffer.from('\n')).kind);
    expect([kinds.at(-2), kinds.at(-1)]).toEqual(['perhaps', 'too_long']);
  });
});
