import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestMaster, type TestMaster } from '../../../test/services/test-master.ts';

let one: TestMaster;
beforeAll(async () => {
  one = await startTestMaster();
  await one.api('POST', '/api/orgs', { id: 'abc', name: 'ABC' });
  await one.api('POST', '/api/orgs/abc/scripts', { id: 's', name: 'S', document: {} });
  // Whoever is bound by row-level security sees no script any more; whoever still does has stepped out of the organization's scope.
  await one.database.query('ALTER POLICY tenant ON script USING (false)');
});
afterAll(() => one.stop());

const SCRIPT = '/api/orgs/abc/scripts/s';

test.each([
  ['GET', SCRIPT, undefined],
  ['GET', `${SCRIPT}/draft`, undefined],
  ['PUT', `${SCRIPT}/draft`, { document: {} }],
  ['POST', `${SCRIPT}/validate`, {}],
  ['POST', `${SCRIPT}/simulate`, { caller: { number: '1' }, inputs: [] }],
  ['POST', `${SCRIPT}/publish`, {}],
  ['GET', `${SCRIPT}/diff?from=1&to=draft`, undefined],
] as const)('%s %s works with the rows of its organization alone', async (method, path, body) => {
  expect((await one.api(method, path, body)).status).toBe(404);
});
