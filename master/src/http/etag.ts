import { ProblemError } from './problems.ts';

/** A document's ETag from the number that grows with each of its changes. */
export function etagOf(rowVersion: number): string {
  return `"${rowVersion}"`;
}

/** @throws ProblemError (412) when the request was made for another state of the document. `*` and no header fit every state. */
export function checkIfMatch(header: string | undefined, rowVersion: number): void {
  if (header === undefined || header.trim() === '*') return;
  const asked = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (asked.includes(etagOf(rowVersion))) return;
  throw new ProblemError(
    'CHANGED_MEANWHILE',
    `If-Match is ${header}, and the document is at ${etagOf(rowVersion)}: read it anew`,
  );
}
