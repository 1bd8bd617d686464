import { createHash } from 'node:crypto';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder, writeFileAtomic } from '@voiceoi/kernel';
import { type BundleStore, isEmpty, type StoredBundle } from './bundle-store.ts';
import { canonicalText } from './content-hash.ts';

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
 * whole generation.
 */
export function diskStore(folder: string): BundleStore {
  const pathOf = (orgId: string): string => join(folder, `${orgId}.bundle`);
  return {
    load: async (orgId) => {
      const bodies = [await readBody(pathOf(orgId)), await readBody(`${pathOf(orgId)}.previous`)];
      return bodies.flatMap((body) => (body === undefined ? [] : [JSON.parse(body)]));
    },
    save: async (orgId, bundle) => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = pathOf(orgId);
      // Only a whole generation may push out the one before.
      const isWhole = (await readBody(path)) !== undefined;
      if (isEmpty(bundle) && (isWhole || (await readBody(`${path}.previous`)) !== undefined)) return;
      if (isWhole) {
        await rename(path, `${path}.previous`);
        await syncFolder(folder);
      }
      await writeFileAtomic(path, frame(bundle));
    },
  };
}

function frame(bundle: StoredBundle): string {
  const body = bodyOf(bundle);
  const { epoch, revision, sha256 } = bundle;
  const header: Header = { format: 1, epoch, revision, sha256, body_sha256: digest(body) };
  return `${JSON.stringify(header)}\n${body}\n`;
}

/** The bundle as JSON, from the texts that its sha256 was made of: writing a thousand scripts out again would hold calls up. */
function bodyOf({ campaigns, scripts, settings, ...rest }: StoredBundle): string {
  const texts = (objects: readonly object[]): string => objects.map(canonicalText).join(',');
  const head = JSON.stringify(rest).slice(0, -1);
  return `${head},"settings":${canonicalText(settings)},"campaigns":[${texts(campaigns)}],"scripts":[${texts(scripts)}]}`;
}

/** The text of a bundle that is whole, else undefined. */
async function readBody(path: string): Promise<string | undefined> {
  try {
    return unframe(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @throws when the text is no whole bundle of a known format */
function unframe(text: string): string {
  const [head = '', body = '', end, ...more] = text.split('\n');
  const header: unknown = JSON.parse(head);
  const isKnown =
    typeof header === 'object' &&
    header !== null &&
    'format' in header &&
    header.format === 1 &&
    'body_sha256' in header;
  const isWhole = isKnown && header.body_sha256 === digest(body) && end === '' && more.length === 0;
  if (!isWhole) throw new Error('not a whole bundle');
  return body;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
