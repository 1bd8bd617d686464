import { describe, expect, test } from 'vitest';
import { makePlayable } from './playable.ts';
import { testCampaign, testContent, testScript } from './sync.test-data.ts';

const broken = testScript('s', 2, { schema: 'voiceoi/script/v1', entry: 'nowhere', steps: {} });

describe('a configuration made ready to play', () => {
  test('compiles each version once, and keeps what was compiled', () => {
    const first = makePlayable(testContent(1), 'a');
    const second = makePlayable(
      testContent(2, { campaigns: [testCampaign('1', 1), testCampaign('2', 1)] }),
      'b',
      first,
    );
    expect(second.campaigns.get('2')?.script).toBe(first.campaigns.get('1')?.script);
  });

  test('rejects a script that is broken, lets its campaign go on with the last good version, and applies the rest', () => {
    const first = makePlayable(testContent(1), 'a');
    const content = testContent(2, {
      campaigns: [testCampaign('1', 2), testCampaign('2', 1, { status: 'paused' })],
      scripts: [testScript('s', 1), broken],
    });
    const second = makePlayable(content, 'b', first);
    expect(second.rejected).toMatchObject([{ kind: 'script', id: 's', version: 2, code: expect.any(String) }]);
    expect(second.campaigns.get('1')?.script?.version).toBe(1);
    expect(second.campaigns.get('2')?.campaign.status).toBe('paused');
    const third = makePlayable(testContent(3, { campaigns: [testCampaign('1', 2)], scripts: [broken] }), 'c', second);
    expect(third.campaigns.get('1')?.script?.version).toBe(1);
  });

  test('plays a version whose application is no longer allowed: the step says so then', () => {
    const document = {
      schema: 'voiceoi/script/v1',
      entry: 'a',
      steps: { a: { type: 'exec', application: 'Queue', next: 'b' }, b: { type: 'return' } },
    };
    const playable = makePlayable(testContent(1, { scripts: [testScript('s', 1, document)] }), 'a');
    expect(playable.rejected).toEqual([]);
    expect(playable.campaigns.get('1')?.script?.version).toBe(1);
  });

  test('has no script for a campaign without a published version, nor for one whose only version is broken', () => {
    const content = testContent(1, { campaigns: [testCampaign('1', null), testCampaign('2', 2)], scripts: [broken] });
    const playable = makePlayable(content, 'a');
    expect(playable.campaigns.get('1')?.script).toBeUndefined();
    expect(playable.campaigns.get('2')?.script).toBeUndefined();
  });
});
