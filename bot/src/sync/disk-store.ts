import { createHash } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeFileAtomic } from '@voiceoi/kernel';
import type { BundleStore, StoredBundle } from './bundle-store.ts';

/** First line of a file: what follows it, and how to know that it is whole. */
interface Header {
  readonly format: 1;
  readonly epoch: string;
  readonly revision: number;
  readonly sha256: string;
  /** Of the text below, so that damage is noticed without understanding it. */
  readonly body_sha256: string;
}

/**
 * Bundles in a folder: `<org>.bundle` and, one generation older, `<org>.bundle.previous`; mode 0600. A crash at any moment leaves at least one
 * whole generation. Saves of one organization have to be made one after the other.
 */
export function diskStore(folder: string): BundleStore {
  const pathOf = (orgId: string): string => join(folder, `${orgId}.bundle`);
  return {
    load: async (orgId) => (await readBundle(pathOf(orgId))) ?? readBundle(`${pathOf(orgId)}.previous`),
    save: async (orgId, bundle) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = pathOf(orgId);
      // Only a whole generation may push out the one before.
      if ((await readBundle(path)) !== undefined) await rename(path, `${path}.previous`);
      await syncFolder(folder);
      await writeFileAtomic(path, frame(bundle));
    },
  };
}

function frame(bundle: StoredBundle): string {
  const body = JSON.stringify(bundle);
  const { epoch, revision, sha256 } = bundle;
  const header: Header = { format: 1, epoch, revision, sha256, body_sha256: digest(body) };
  return `${JSON.stringify(header)}\n${body}\n`;
}

async function readBundle(path: string): Promise<unknown> {
  try {
    return unframe(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @throws when the text is no whole bundle of a known format */
function unframe(text: string): unknown {
  const [head = '', body = '', end] = text.split('\n');
  const header: unknown = JSON.parse(head);
  const isKnown =
    typeof header === 'object' &&
    header !== null &&
    'format' in header &&
    header.format === 1 &&
    'body_sha256' in header;
  if (!isKnown || header.body_sha256 !== digest(body) || end !== '') throw new Error('not a whole bundle');
  return JSON.parse(body);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
