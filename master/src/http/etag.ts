import { ProblemError } from './problems.ts';

/** A document's ETag from the number that grows with each of its changes. */
export function etagOf(rowVersion: number): string {
  return `"${rowVersion}"`;
}

/** @throws ProblemError (412) when the request was made for another state of the document. No header fits every state, `*` every one that is there. */
export function checkIfMatch(header: string | undefined, rowVersion: number | undefined): void {
  if (header === undefined) return;
  if (rowVersion === undefined)
    throw new ProblemError('CHANGED_MEANWHILE', `If-Match is ${header}, and the document is not there`);
  if (header.trim() === '*') return;
  const asked = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (asked.includes(etagOf(rowVersion))) return;
  throw new ProblemError(
    'CHANGED_MEANWHILE',
    `If-Match is ${header}, and the document is at ${etagOf(rowVersion)}: read it anew`,
  );
}

/** Header of writes to a document with an ETag. */
export const IF_MATCH = {
  'if-match': {
    type: 'string',
    maxLength: 200,
    description: 'ETag that the change was made for; 412 when the document has changed',
  },
} as const;
