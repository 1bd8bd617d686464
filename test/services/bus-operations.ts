import { openRedis, type RedisConnections } from '@voiceoi/kernel';
import type { TestMaster } from './test-master.ts';

const document = { schema: 'voiceoi/script/v1', entry: 'end', steps: { end: { type: 'return' } } };

/** Ways to wait that are generous: the bounds are the failure table's, and drills hold them. */
export const SOON = { timeout: 30_000, interval: 25 };

/** An organization with a campaign that can be renamed: each time a revision. */
export async function makeOrg(master: TestMaster, id: string): Promise<void> {
  await master.api('POST', '/api/orgs', { id, name: id });
  await master.api('POST', `/api/orgs/${id}/scripts`, { id: 'menu', name: 'Menu', document });
  await master.api('POST', `/api/orgs/${id}/scripts/menu/publish`, {});
  await master.api('POST', `/api/orgs/${id}/campaigns`, { id: '123', name: 'Sales', script_id: 'menu' });
}

export const rename = (master: TestMaster, org: string, name: string) =>
  master.api('PATCH', `/api/orgs/${org}/campaigns/123`, { name });

const bundleOf = async (master: TestMaster, org: string) =>
  (await master.node(org, 'GET', `/api/sync/campaigns?org_id=${org}`)).body;

export const revisionOf = async (master: TestMaster, org: string): Promise<number> => {
  const sql = 'SELECT revision FROM organization WHERE id = $1';
  return (await master.database.query<{ revision: number }>(sql, [org])).rows[0]?.revision ?? 0;
};

/** The way into Redis that an organization's nodes are told. */
export const busOf = async (master: TestMaster, org: string) => (await bundleOf(master, org)).bus;

/** Redis as a node of an organization reaches it; resolves once it does. */
export async function nodeConnections(master: TestMaster, org: string): Promise<RedisConnections> {
  const connections = openRedis(await busOf(master, org), 'test-node');
  const { commands, messages } = connections;
  await Promise.all(
    [...new Set([commands, messages])].map((client) => new Promise((resolve) => client.once('ready', resolve))),
  );
  return connections;
}
