import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '../http/index.ts';
import { byteBudget, type Share } from './budget.ts';
import { expectedBytes } from './read-body.ts';

/** Unpacked bytes that are read, checked and waiting to be stored; more wait at the nodes. In memory each is about ten: text, values, rows. */
const MOST_BYTES = 8 * 1024 * 1024;
/** What one organization may take of it, so that there is room for others whatever it sends. */
const SHARE_OF_ONE = 3 / 4;

/** Lets batches in while there is room for them. */
export interface Admission {
  /** Before the body is read. @throws ProblemError with when to come again */
  enter(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  /** Does the work of a request that is in; its room is free when the work is done. */
  within<T>(request: FastifyRequest, work: (share: Share) => Promise<T>): Promise<T>;
}

interface Entered {
  readonly share: Share;
  isWorking: boolean;
}

export function logAdmission(most: number = MOST_BYTES): Admission {
  const budget = byteBudget(most, most * SHARE_OF_ONE);
  const entered = new WeakMap<FastifyRequest, Entered>();
  return {
    enter: async (request, reply) => {
      const share = budget.take(ownerOf(request), expectedBytes(request));
      if (!share) throw busy();
      const one = { share, isWorking: false };
      entered.set(request, one);
      // A sender that goes away before its body was read never reaches the work; one that goes away later still has its records stored.
      const onEnd = (): void => (one.isWorking ? undefined : share.release());
      reply.raw.once('close', onEnd).once('finish', onEnd);
    },
    within: async (request, work) => {
      const one = entered.get(request);
      if (!one) throw busy();
      one.isWorking = true;
      try {
        return await work(one.share);
      } finally {
        one.share.release();
      }
    },
  };
}

function ownerOf({ principal }: FastifyRequest): string {
  return principal.kind === 'node' ? principal.orgId : '';
}

function busy(): ProblemError {
  return new ProblemError('OVERLOADED', 'Too many batches at once', { headers: { 'retry-after': '1' } });
}
