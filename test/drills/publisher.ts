import { script } from './script.ts';
import type { DrillMaster, World } from './world.ts';
import { ORG } from './world.ts';

/** A version that was asked for. Times by `performance.now()`. */
export interface Publication {
  readonly prompt: string;
  readonly version: number;
  /** When the API said that it is published. */
  readonly answeredAt: number;
}

export interface Publisher {
  /** What the API has confirmed, in order. What it has not may be there all the same: Postgres knows. */
  readonly published: readonly Publication[];
  /** Publishes now. @throws when the API does not confirm it */
  publish(master?: DrillMaster): Promise<Publication>;
  /** Publishes by itself from now on, whether that works or not, by each master in turn; the answer ends that. */
  every(ms: number): () => Promise<void>;
}

let prompts = 0;

/** Later prompts have higher numbers. */
export function numberOf(prompt: string): number {
  return Number(prompt.slice(1));
}

export function publisherOf(world: World): Publisher {
  const published: Publication[] = [];
  let last: Promise<unknown> = Promise.resolve();
  const publishNow = async (master: DrillMaster): Promise<Publication> => {
    const prompt = `p${++prompts}`;
    const path = `/api/orgs/${ORG}/scripts/s1`;
    const draft = await world.api(master, 'PUT', `${path}/draft`, { document: script(prompt) });
    if (draft.status !== 200) throw new Error(`the draft was answered with ${draft.status}`);
    const { status, body } = await world.api(master, 'POST', `${path}/publish`, {});
    if (status !== 201) throw new Error(`publishing was answered with ${status}`);
    const publication = { prompt, version: Number(body.version), answeredAt: performance.now() };
    published.push(publication);
    return publication;
  };
  /** One after the other: there is one draft. */
  const publish = (master: DrillMaster = world.masters[0]): Promise<Publication> => {
    const next = last.then(() => publishNow(master));
    last = next.catch(() => {});
    return next;
  };
  return {
    published,
    publish,
    every: (ms) => {
      let turn = 0;
      let isBusy = false;
      const timer = setInterval(() => {
        const master = world.masters[turn++ % 2];
        if (isBusy || !master) return;
        isBusy = true;
        publish(master)
          .catch(() => {})
          .finally(() => {
            isBusy = false;
          });
      }, ms);
      return async () => {
        clearInterval(timer);
        await last;
      };
    },
  };
}
