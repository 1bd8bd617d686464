import { OrgId } from '@voiceoi/contracts';
import { Compile } from 'typebox/compile';
import type { Database } from '../database/index.ts';
import type { OrgKeys } from '../keys/index.ts';
import { type ServingNode, servingNodes } from '../nodes/index.ts';
import { parseNodeAgi, parseNodeUrl } from './addresses.ts';
import type { Candidate } from './node-choice.ts';

/** What the gateway needs to know of an organization. */
interface OrgView {
  readonly requestsPerSecond: number;
  readonly candidates: readonly Candidate[];
}

/** Organizations as they were a moment ago. */
export interface OrgViews {
  /** Undefined: there is no such organization. @throws the database's error when it was never seen */
  of(orgId: string): Promise<OrgView | undefined>;
}

/** A request does not ask the database more often than this; a drain is seen as soon. */
const FRESH_MS = 500;
/** Without a database nodes are used as they were known, as long as their last report is good. */
const LOST_AFTER_SECONDS = 90;
const isOrgId = Compile(OrgId);
const MOST_VIEWS = 5_000;
const DEFAULT_REQUESTS_PER_SECOND = 100;

interface Kept {
  readonly at: number;
  readonly view: OrgView | undefined;
}

export function orgViews(database: Database, keys: Pick<OrgKeys, 'good'>): OrgViews {
  const known = new Map<string, Kept>();
  const asked = new Map<string, Promise<OrgView | undefined>>();

  const look = async (orgId: string): Promise<OrgView | undefined> => {
    try {
      const view = await readView(database, keys, orgId);
      known.delete(orgId);
      known.set(orgId, { at: performance.now(), view });
      const [oldest] = known.keys();
      if (known.size > MOST_VIEWS && oldest !== undefined) known.delete(oldest);
      return view;
    } catch (error) {
      const last = known.get(orgId);
      if (!last) throw error;
      return last.view && withoutLost(last.view);
    } finally {
      asked.delete(orgId);
    }
  };

  return {
    of: (orgId) => {
      // Over AGI anybody can say anything; what cannot be is not asked for and not kept.
      if (!isOrgId.Check(orgId)) return Promise.resolve(undefined);
      const last = known.get(orgId);
      if (last && performance.now() - last.at < FRESH_MS) return Promise.resolve(last.view);
      const running = asked.get(orgId) ?? look(orgId);
      asked.set(orgId, running);
      return running;
    },
  };
}

function withoutLost(view: OrgView): OrgView {
  const since = performance.now() - LOST_AFTER_SECONDS * 1000;
  return { ...view, candidates: view.candidates.filter(({ reportedAt }) => reportedAt > since) };
}

const SETTING = `SELECT (settings ->> 'gateway_requests_per_second')::float8 AS rate FROM organization WHERE id = $1`;

async function readView(database: Database, keys: Pick<OrgKeys, 'good'>, orgId: string): Promise<OrgView | undefined> {
  const { rows } = await database.query<{ rate: number | null }>(SETTING, [orgId]);
  const [row] = rows;
  if (!row) return undefined;
  const secrets = new Map(
    (await keys.good(orgId)).map(({ generation, bytes }) => [
      generation,
      `voi_${orgId}_${generation}_${Buffer.from(bytes).toString('hex')}`,
    ]),
  );
  const nodes = await servingNodes(database, orgId, LOST_AFTER_SECONDS);
  return {
    requestsPerSecond: row.rate ?? DEFAULT_REQUESTS_PER_SECOND,
    candidates: nodes.map((node) => candidateOf(orgId, node, secrets)),
  };
}

/** A node is sent the key that it has shown and no newer one: whoever took a key that runs out must not be handed the next. */
function candidateOf(orgId: string, node: ServingNode, secrets: ReadonlyMap<number, string>): Candidate {
  const { nodeId, isFromLoopback, calls, generation } = node;
  return {
    key: `${orgId}/${nodeId}`,
    nodeId,
    isFromLoopback,
    url: parseNodeUrl(node.advertiseUrl, isFromLoopback),
    agi: parseNodeAgi(node.advertiseAgi, isFromLoopback),
    secret: generation === undefined ? undefined : secrets.get(generation),
    ...calls,
    reportedAt: performance.now() - node.ageMs,
  };
}
