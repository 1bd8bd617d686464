import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type StartedProcess, startProcess } from '../../test/services/process.ts';

const INDEX = JSON.stringify(join(import.meta.dirname, 'index.ts'));

function start(stop: string): StartedProcess {
  const script = `
    const { runUntilSignal, createLogger } = await import(${INDEX});
    runUntilSignal({ log: createLogger({ level: 'info', mode: 'test' }), stop: ${stop} });
    setInterval(() => {}, 1000);
    console.log('running');`;
  return startProcess(process.execPath, ['--conditions=source', '--input-type=module', '-e', script]);
}

describe('a process that runs until a signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('stops in order on %s and exits 0', async (signal) => {
    const started = start(`async () => { console.log('flushed'); }`);
    await started.waitFor(/running/);
    expect(await started.stop(signal)).toBe(0);
    expect(started.output()).toMatch(/flushed[\s\S]*stopped/);
  });

  test('ends at once on a second signal', async () => {
    const started = start(`() => { console.log('waiting'); return new Promise(() => {}); }`);
    await started.waitFor(/running/);
    started.child.kill('SIGTERM');
    await started.waitFor(/waiting/);
    started.child.kill('SIGTERM');
    expect(await started.exited).toBe(143);
  });

  test('ends although nobody reads its log any more', async () => {
    const started = start(`async () => {}`);
    await started.waitFor(/running/);
    started.child.stdout?.destroy();
    expect(await started.stop()).toBe(0);
  });

  test('exits 1 and says why when stopping fails or an error is caught by nobody', async () => {
    const failing = start(`async () => { throw new Error('disk is gone'); }`);
    await failing.waitFor(/running/);
    expect(await failing.stop()).toBe(1);
    expect(failing.output()).toContain('disk is gone');

    const broken = start(`async () => {}, late: setTimeout(() => { throw new Error('out of the blue'); }, 10)`);
    expect(await broken.exited).toBe(1);
    expect(broken.output()).toContain('out of the blue');
  });
});
