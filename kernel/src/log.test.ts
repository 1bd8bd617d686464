import { expect, test } from 'vitest';
import { createLogger } from './log.ts';

function logged(fields: object): { readonly [name: string]: unknown } {
  const lines: string[] = [];
  const stream = { write: (text: string) => void lines.push(text) };
  createLogger({ level: 'info', mode: 'test', stream }).info(fields, 'x');
  return JSON.parse(lines[0] ?? '');
}

test('a log holds no secret, wherever an object carries it', () => {
  const secrets = { password: 'p', token: 't', nested: { refresh_token: 'r', deeper: { secret: 's' } }, value: 'v' };
  const request = { req: { headers: { authorization: 'Bearer b', 'x-organization-secret': 'voi_k', cookie: 'c' } } };
  const text = JSON.stringify(logged({ ...secrets, ...request }));
  for (const secret of ['"p"', '"t"', '"r"', '"s"', '"v"', 'Bearer b', 'voi_k', '"c"'])
    expect(text).not.toContain(secret);
});

test('a log tells telephone numbers apart without telling them', () => {
  const line = logged({ caller: '+13125550199', call: { number: '312 555 0142' }, from: 7, to: 8 });
  expect(line).toMatchObject({ caller: '***199', call: { number: '***142' }, from: 7, to: 8 });
});
