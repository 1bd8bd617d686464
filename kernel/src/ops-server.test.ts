import { afterEach, describe, expect, test } from 'vitest';
import { createMetrics, labelBound } from './metrics.ts';
import { type OpsServer, type Readiness, startOpsServer } from './ops-server.ts';

let server: OpsServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(
  readiness: Readiness,
  state?: () => unknown,
): Promise<(path: string, init?: RequestInit) => Promise<Response>> {
  const metrics = createMetrics({ mode: 'bot', version: '1.2.3' });
  metrics.histogram('voiceoi_agi_turn_seconds', 'Turn', ['org']).observe({ org: 'abc' }, 0.08);
  server = await startOpsServer({
    host: '127.0.0.1',
    port: 0,
    metrics,
    ready: () => readiness,
    ...(state && { state }),
  });
  const base = `http://127.0.0.1:${server.port}`;
  return (path, init) => fetch(base + path, init);
}

describe('ops server', () => {
  test('says alive whatever the readiness, and why it is not ready', async () => {
    const get = await start({ ready: false, reasons: ['no configuration of abc yet'] });
    expect((await get('/healthz')).status).toBe(200);
    const response = await get('/readyz?verbose');
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ ready: false, reasons: ['no configuration of abc yet'] });
  });

  test('serves metrics with buckets that straddle 0.1 s and the build', async () => {
    const get = await start({ ready: true, reasons: [] });
    const text = await (await get('/metrics')).text();
    expect(text).toContain('voiceoi_agi_turn_seconds_bucket{le="0.075",org="abc"} 0');
    expect(text).toContain('voiceoi_agi_turn_seconds_bucket{le="0.1",org="abc"} 1');
    expect(text).toContain('voiceoi_build_info{version="1.2.3",mode="bot"} 1');
  });

  test('serves a state where there is one, and nothing else', async () => {
    const get = await start({ ready: true, reasons: [] }, () => ({ calls: { active: 2 } }));
    expect(await (await get('/state')).json()).toEqual({ calls: { active: 2 } });
    expect((await get('/__proto__')).status).toBe(404);
    expect((await get('/metrics', { method: 'POST', body: 'x' })).status).toBe(405);
  });

  test('has no state page without a state', async () => {
    const get = await start({ ready: true, reasons: [] });
    expect((await get('/state')).status).toBe(404);
  });

  test('answers 500 when a page fails, and lives on', async () => {
    const get = await start({ ready: true, reasons: [] }, () => {
      throw new Error('broken');
    });
    expect((await get('/state')).status).toBe(500);
    expect((await get('/healthz')).status).toBe(200);
  });

  test('refuses a port that is taken with the error that the system gave', async () => {
    await start({ ready: true, reasons: [] });
    const again = startOpsServer({
      host: '127.0.0.1',
      port: server?.port ?? 0,
      metrics: createMetrics({ mode: 'x', version: '0' }),
      ready: () => ({ ready: true, reasons: [] }),
    });
    await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});

describe('bounded labels', () => {
  test('keep the first values and call the rest other', () => {
    const bound = labelBound(2);
    expect(['a', 'b', 'c', 'a', 'c'].map(bound)).toEqual(['a', 'b', 'other', 'a', 'other']);
  });
});
