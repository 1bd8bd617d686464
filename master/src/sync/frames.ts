import type { Head } from './bundles.ts';
import type { CatchUpFrom } from './catch-up.ts';

/** Server-sent events that bring a reader to `head`. */
export interface Frames {
  readonly buffers: readonly Buffer[];
  readonly head: Head;
}

/** Makes the frames behind a position. */
export interface FrameSource {
  /** Undefined: the reader has everything. @throws ProblemError when the organization is not there */
  after(orgId: string, position: Head | undefined): Promise<Frames | undefined>;
  /** What was made before now no longer holds. */
  forget(orgId: string): void;
}

/**
 * Makes frames once for all readers at the same position: a thousand streams that wake together cost one query, one signature and one text, and share
 * its memory. Entries live only while they are being made.
 */
export function frameSource(catchUpFrom: CatchUpFrom): FrameSource {
  const making = new Map<string, Map<string, Promise<Frames | undefined>>>();

  const make = async (orgId: string, position: Head | undefined): Promise<Frames | undefined> => {
    const next = await catchUpFrom(orgId, position);
    switch (next.intent) {
      case 'none':
        return undefined;
      case 'changes':
        return {
          head: next.head,
          buffers: next.messages.map(({ change, text }) => frame('change', text, idOf(change.epoch, change.to))),
        };
      case 'full': {
        const { epoch, revision, body } = next.bundle;
        return { head: { epoch, revision }, buffers: [frame('full', body.text, idOf(epoch, revision))] };
      }
      default:
        return next satisfies never;
    }
  };

  return {
    after: (orgId, position) => {
      const ofOrg = making.get(orgId) ?? new Map<string, Promise<Frames | undefined>>();
      making.set(orgId, ofOrg);
      const key = position ? idOf(position.epoch, position.revision) : '';
      const running = ofOrg.get(key) ?? make(orgId, position).finally(() => ofOrg.delete(key));
      ofOrg.set(key, running);
      return running.finally(() => {
        if (ofOrg.size === 0 && making.get(orgId) === ofOrg) making.delete(orgId);
      });
    },
    forget: (orgId) => making.delete(orgId),
  };
}

/** One server-sent event; JSON texts hold no line break. */
export function frame(event: string, data: string, id?: string): Buffer {
  return Buffer.from(`event: ${event}\n${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`);
}

function idOf(epoch: string, revision: number): string {
  return `${epoch}:${revision}`;
}
