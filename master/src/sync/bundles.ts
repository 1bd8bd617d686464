import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Bundle } from '@voiceoi/contracts';
import type { Database } from '../database/index.ts';
import { notFound } from '../http/index.ts';
import type { ContentReader } from './content.ts';

const toGzip = promisify(gzip);
const toBrotli = promisify(brotliCompress);
/** Quick enough to be made at each change; the highest would take seconds for a large organization. */
const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };

/** An organization's bundle at one revision, ready to be sent; each encoding is made when it is first asked for. */
export interface PreparedBundle {
  readonly epoch: string;
  readonly revision: number;
  readonly etag: string;
  readonly json: string;
  encoded(encoding: 'gzip' | 'br'): Promise<Buffer>;
}

/** Prepares bundles and keeps the newest of each organization. */
export interface Bundles {
  /** @throws ProblemError when the organization is not there */
  current(orgId: string): Promise<PreparedBundle>;
}

/** Organizations whose bundle is kept. */
const MOST_KEPT = 200;

export function bundles(database: Database, reader: ContentReader): Bundles {
  const kept = new Map<string, PreparedBundle>();
  const preparing = new Map<string, Promise<PreparedBundle>>();

  const prepare = async (orgId: string): Promise<PreparedBundle> => {
    const content = await database.transaction((tx) => reader.read(tx, orgId));
    const sha256 = reader.sha256(content);
    const bundle: Bundle = {
      schema: 1,
      ...content,
      sha256,
      generated_at: new Date().toISOString(),
      secrets: [],
      bus: { kind: 'stream' },
    };
    const made = prepared(bundle);
    kept.delete(orgId);
    kept.set(orgId, made);
    for (const [oldest] of kept) if (kept.size > MOST_KEPT) kept.delete(oldest);
    return made;
  };

  return {
    current: async (orgId) => {
      const now = await readHead(database, orgId);
      const known = kept.get(orgId);
      if (known?.epoch === now.epoch && known.revision === now.revision) return known;
      // A fleet that reconnects asks for the same bundle at once: it is made once.
      const running = preparing.get(orgId) ?? prepare(orgId).finally(() => preparing.delete(orgId));
      preparing.set(orgId, running);
      return running;
    },
  };
}

/** Where an organization is. @throws ProblemError when it is not there */
export async function readHead(
  database: Database,
  orgId: string,
): Promise<{ readonly epoch: string; readonly revision: number }> {
  const sql = 'SELECT i.epoch, o.revision FROM organization o CROSS JOIN instance i WHERE o.id = $1';
  const row = (await database.query<{ epoch: string; revision: number }>(sql, [orgId])).rows[0];
  if (!row) throw notFound(`organization "${orgId}"`);
  return row;
}

function prepared(bundle: Bundle): PreparedBundle {
  const json = JSON.stringify(bundle);
  const encodings = new Map<string, Promise<Buffer>>();
  const make = { gzip: () => toGzip(json), br: () => toBrotli(json, BROTLI) };
  return {
    epoch: bundle.epoch,
    revision: bundle.revision,
    etag: `"${bundle.epoch}:${bundle.revision}:${bundle.sha256.slice(0, 16)}"`,
    json,
    encoded: (encoding) => {
      const running = encodings.get(encoding) ?? make[encoding]();
      encodings.set(encoding, running);
      return running;
    },
  };
}
