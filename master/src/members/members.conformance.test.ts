import { afterAll, beforeAll, expect, test } from 'vitest';
import { newMember } from '../../../test/services/people.ts';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster({ postgres: true });
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
});
afterAll(() => one.stop());

test('two owners who leave at the same moment do not both leave', async () => {
  for (let round = 0; round < 5; round++) {
    const owners = [await newMember(one, 'abc', 'owner'), await newMember(one, 'abc', 'owner')];
    await one.database.query('DELETE FROM member WHERE user_id <> ALL ($1::uuid[])', [owners.map(({ id }) => id)]);
    const left = await Promise.all(owners.map(({ call, id }) => call('DELETE', `/api/orgs/abc/members/${id}`)));
    expect(left.map(({ status }) => status).sort()).toEqual([204, 409]);
  }
});

test('failures of sign-in that come to two masters at the same moment are all counted', async () => {
  const other = await one.another();
  const { email } = await newMember(one, 'abc', 'viewer');
  const guess = (app: TestMaster['master']) =>
    app.app.inject({ method: 'POST', url: '/api/auth/login', payload: { email, password: 'wrong' } });
  await Promise.all(Array.from({ length: 6 }, (_value, index) => guess(index % 2 ? other : one.master)));
  expect((await guess(other)).statusCode).toBe(429);
  expect((await guess(one.master)).statusCode).toBe(429);
});
