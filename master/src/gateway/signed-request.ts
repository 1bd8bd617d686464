import { createHash } from 'node:crypto';
import { verifyUrl } from '@voiceoi/kernel';
import type { FastifyRequest } from 'fastify';
import { ProblemError, queryOf } from '../http/index.ts';
import type { OrgKeys } from '../keys/index.ts';

/** A request whose signed URL stands for its sender. @throws ProblemError unless it allows this very request now */
export async function checkSignedRequest(
  keys: Pick<OrgKeys, 'good'>,
  request: FastifyRequest,
  orgId: string,
  body: Buffer,
): Promise<void> {
  const signed = {
    method: request.method,
    path: request.raw.url?.split('?')[0] ?? '',
    bodySha256: createHash('sha256').update(body).digest('hex'),
  };
  if (verifyUrl(await keys.good(orgId), queryOf(request), signed, Date.now())) return;
  throw new ProblemError('UNAUTHENTICATED', 'This signed URL is not for this request, or no longer good');
}
