import type { ChainReport, KnownEntry } from './verify.ts';

/** A chain's state in one word, which `verify-audit --known` takes later: `abc:42:9f86…`. */
export function headText({ orgId, entries, hash }: ChainReport): string {
  return `${orgId}:${entries}:${hash}`;
}

/** @throws Error for a text that `headText` did not make */
export function parseHead(text: string): KnownEntry {
  const [, orgId, seq, hash] = /^([a-z0-9_-]+):(\d+):([0-9a-f]{64})$/.exec(text) ?? [];
  if (orgId === undefined || seq === undefined || hash === undefined)
    throw new Error(`--known takes a line of an earlier verify-audit, such as abc:42:9f86…; it is "${text}"`);
  return { orgId, seq: Number(seq), hash };
}

/** What verify-audit prints. @throws Error with the same when a chain is broken */
export function describeChains(reports: readonly ChainReport[]): string {
  const broken = reports.filter((report) => report.broken !== undefined);
  const lines = reports.map((report) => {
    if (!report.broken) return headText(report);
    const { seq, why } = report.broken;
    return `${report.orgId}: entry ${seq} ${why} (${report.entries} before it hold)`;
  });
  const entries = reports.reduce((sum, report) => sum + report.entries, 0);
  const text = [...lines, `${reports.length} chains, ${entries} entries hold, ${broken.length} chains broken.`].join(
    '\n',
  );
  if (broken.length > 0) throw new Error(text);
  return text;
}
