import type { Database, Queryable } from '../database/index.ts';
import { AUDIT_COLUMNS, type AuditRow, chainHash, entryOf, hexOf, NO_HASH } from './entry.ts';

/** What became of checking one chain. */
export interface ChainReport {
  readonly orgId: string;
  /** Entries that hold. */
  readonly entries: number;
  /** Hash of the last of them. */
  readonly hash: string;
  /** The first entry that does not hold, and why. */
  readonly broken?: { readonly seq: number; readonly why: string };
}

/** A hash that was kept elsewhere: whoever writes a whole chain anew does not reach it. */
export interface KnownEntry {
  readonly orgId: string;
  readonly seq: number;
  readonly hash: string;
}

interface Head {
  readonly seq: number;
  readonly hash: Uint8Array;
}

const CHAINS = `SELECT org_id FROM audit_head UNION SELECT DISTINCT org_id FROM audit_log ORDER BY 1`;
const ENTRIES = `SELECT ${AUDIT_COLUMNS} FROM audit_log WHERE org_id = $1 AND seq > $2 ORDER BY seq LIMIT $3`;
const BATCH = 500;

/** Checks every chain, or one, as it stands at this moment: masters may write meanwhile. */
export function verifyAudit(
  database: Database,
  known: readonly KnownEntry[] = [],
  orgId?: string,
): Promise<readonly ChainReport[]> {
  return database.transaction(async (tx) => {
    await tx.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const chains = (await tx.query<{ org_id: string }>(CHAINS)).rows.map(({ org_id }) => org_id);
    // A chain that was taken away altogether is one that something is known of.
    const wanted = new Set([...chains, ...known.map((entry) => entry.orgId), ...(orgId === undefined ? [] : [orgId])]);
    const reports: ChainReport[] = [];
    for (const chain of wanted) {
      if (orgId !== undefined && chain !== orgId) continue;
      reports.push(
        await verifyChain(
          tx,
          chain,
          known.filter((entry) => entry.orgId === chain),
        ),
      );
    }
    return reports;
  });
}

async function verifyChain(tx: Queryable, orgId: string, known: readonly KnownEntry[]): Promise<ChainReport> {
  const head = (await tx.query<Head>('SELECT seq, hash FROM audit_head WHERE org_id = $1', [orgId])).rows[0];
  let last: Head = { seq: 0, hash: NO_HASH };
  const broken = (seq: number, why: string): ChainReport => ({ ...report(orgId, last), broken: { seq, why } });
  for (;;) {
    const { rows } = await tx.query<AuditRow>(ENTRIES, [orgId, last.seq, BATCH]);
    for (const row of rows) {
      const why = flaw(last, row, known);
      if (why !== undefined) return broken(last.seq + 1, why);
      last = row;
    }
    if (rows.length < BATCH) break;
  }
  const end = endFlaw(last, head, known);
  return end ? broken(end.seq, end.why) : report(orgId, last);
}

function report(orgId: string, { seq, hash }: Head): ChainReport {
  return { orgId, entries: seq, hash: hexOf(hash) };
}

/** What is wrong with the entry that stands behind `last`. */
function flaw(last: Head, row: AuditRow, known: readonly KnownEntry[]): string | undefined {
  if (row.seq !== last.seq + 1) return `is missing: entry ${row.seq} comes next`;
  if (hexOf(chainHash(last.hash, entryOf(row))) !== hexOf(row.hash))
    return 'was altered, or is not the one that stood here';
  const kept = known.find(({ seq }) => seq === row.seq);
  return kept && kept.hash !== hexOf(row.hash)
    ? 'is not the one whose hash was kept: the chain was written anew'
    : undefined;
}

/** What is wrong behind the last entry. */
function endFlaw(last: Head, head: Head | undefined, known: readonly KnownEntry[]) {
  const until = Math.max(head?.seq ?? 0, ...known.map(({ seq }) => seq));
  if (last.seq < until) return { seq: last.seq + 1, why: `is missing, and all behind it: there were ${until} entries` };
  if (last.seq > (head?.seq ?? 0)) return { seq: (head?.seq ?? 0) + 1, why: 'is one that the head knows nothing of' };
  if (head && hexOf(head.hash) !== hexOf(last.hash))
    return { seq: last.seq, why: 'is not the one that the head names' };
  return undefined;
}
