import { collectSettings } from '@voiceoi/kernel';
import { expect, test } from 'vitest';
import { checkRedisSettings, REDIS_VARIABLES, redisOf } from './redis-settings.ts';

type Values = Parameters<typeof redisOf>[0];

function collect(env: { readonly [name: string]: string }) {
  const { values, problems } = collectSettings(REDIS_VARIABLES, { argv: [], env });
  return { values, problems: [...problems, ...checkRedisSettings(values)] };
}
function understood(env: { readonly [name: string]: string }) {
  const { values, problems } = collect(env);
  expect(problems).toEqual([]);
  return redisOf(values as Values);
}

test('without an address there is no Redis, whatever else is set', () => {
  expect(understood({})).toBeUndefined();
  expect(
    understood({ REDIS_PORT: '6380', REDIS_PASSWORD: 'secret', REDIS_PUBLIC_HOST: 'redis.example' }),
  ).toBeUndefined();
});

test('one server is reached by the master and by nodes in the same way', () => {
  const redis = understood({
    REDIS_HOST: 'redis',
    REDIS_USERNAME: 'master',
    REDIS_PASSWORD: 'secret',
    REDIS_TLS: 'true',
  });
  expect(redis?.own).toEqual({ host: 'redis', port: 6379, tls: true, username: 'master', password: 'secret' });
  expect(redis?.forNodes).toMatchObject({ host: 'redis', port: 6379, tls: true });
});

test.each([
  [{ REDIS_PUBLIC_HOST: 'redis.example' }, { host: 'redis.example', port: 6380 }],
  [{ REDIS_PUBLIC_PORT: '16379' }, { host: 'redis', port: 16379 }],
  [
    { REDIS_PUBLIC_HOST: 'redis.example', REDIS_PUBLIC_PORT: '16379' },
    { host: 'redis.example', port: 16379 },
  ],
])('a public address %j is what nodes are told, without the master’s own user', (more, expected) => {
  const redis = understood({ REDIS_HOST: 'redis', REDIS_PORT: '6380', REDIS_PASSWORD: 'secret', ...more });
  expect(redis?.forNodes).toEqual({ ...expected, tls: false });
  expect(redis?.own).toMatchObject({ host: 'redis', port: 6380 });
});

test('a cluster is all of its servers, the first of which stands for it', () => {
  const redis = understood({ REDIS_CLUSTER_NODES: 'one:7001,two:7002' });
  const cluster = [
    { host: 'one', port: 7001 },
    { host: 'two', port: 7002 },
  ];
  expect(redis?.own).toMatchObject({ host: 'one', port: 7001, cluster });
  expect(redis?.forNodes).toMatchObject({ cluster });
});

test('behind a public address a cluster is one server to nodes', () => {
  const redis = understood({ REDIS_CLUSTER_NODES: 'one:7001,two:7002', REDIS_PUBLIC_HOST: 'redis.example' });
  expect(redis?.forNodes).toEqual({ host: 'redis.example', port: 7001, tls: false });
});

test.each([
  [{}, 'mymaster'],
  [{ REDIS_MASTER_NAME: 'voices' }, 'voices'],
])('Sentinels know their master by its name %j', (more, master_name) => {
  const redis = understood({ REDIS_SENTINELS: 'one:26379,two:26379', ...more });
  expect(redis?.own).toMatchObject({
    host: 'one',
    port: 26379,
    sentinels: [{ host: 'one' }, { host: 'two' }],
    master_name,
  });
  expect(redis?.own).not.toHaveProperty('cluster');
});

test('addresses of IPv6 stand in brackets, which are no part of them', () => {
  const redis = understood({ REDIS_CLUSTER_NODES: '[::1]:7001,[2001:db8::2]:7002' });
  expect(redis?.own.cluster).toEqual([
    { host: '::1', port: 7001 },
    { host: '2001:db8::2', port: 7002 },
  ]);
});

test.each([
  ['REDIS_CLUSTER_NODES', { REDIS_HOST: 'redis', REDIS_CLUSTER_NODES: 'one:7001' }],
  ['REDIS_SENTINELS', { REDIS_HOST: 'redis', REDIS_SENTINELS: 'one:26379' }],
  ['REDIS_SENTINELS', { REDIS_CLUSTER_NODES: 'one:7001', REDIS_SENTINELS: 'one:26379' }],
  ['REDIS_PORT', { REDIS_HOST: 'redis', REDIS_PORT: '70000' }],
  ['REDIS_CLUSTER_NODES', { REDIS_CLUSTER_NODES: 'one' }],
  ['REDIS_SENTINELS', { REDIS_SENTINELS: 'one:26379,two' }],
  ['REDIS_TLS', { REDIS_HOST: 'redis', REDIS_TLS: 'perhaps' }],
  ['REDIS_PUBLIC_PORT', { REDIS_HOST: 'redis', REDIS_PUBLIC_PORT: 'many' }],
])('says of %s what is wrong with %j', (name, env) => {
  expect(collect(env).problems.map((problem) => problem.name)).toEqual([name]);
});
