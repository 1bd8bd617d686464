import { CreateSignedUrl, OrgParams, SignedUrl } from '@voiceoi/contracts';
import { signUrl } from '@voiceoi/kernel';
import type { Database } from '../database/index.ts';
import { type App, type Feature, mustExist, route, validationFailed } from '../http/index.ts';
import type { OrgKeys } from '../keys/index.ts';

/** Signs URLs for clients that can keep no token, as telephone services that call back. */
export function signedUrlRoutes(database: Database, keys: Pick<OrgKeys, 'signing'>, publicUrl: string): Feature {
  return (app: App) => {
    app.post(
      '/api/orgs/:org_id/signed-urls',
      route({
        id: 'createSignedUrl',
        tag: 'gateway',
        summary: 'A URL that lets whoever has it make one sort of request until it expires',
        description:
          'It can be used any number of times. With `body_sha256` it allows that body alone. A query may be added to it, before or after. It ends early with the organization’s key that signed it.',
        access: 'signed_url.create',
        params: OrgParams,
        body: CreateSignedUrl,
        answers: { 200: SignedUrl },
      }),
      async ({ params: { org_id: orgId }, body }, reply) => {
        await mustExist(database, orgId);
        const { method, path, expires_in: seconds, body_sha256: bodySha256 } = body;
        checkPath(orgId, path);
        const exp = Math.floor(Date.now() / 1000) + seconds;
        const query = signUrl(await keys.signing(orgId), { method, path, exp, bodySha256 });
        reply.header('cache-control', 'no-store');
        return { url: `${publicUrl}${path}?${query}` };
      },
    );
  };
}

/** Letters that stand for themselves in every URL: with no escapes there is one way to write a path, and what is signed is what is asked for. */
const SEGMENT = /^[A-Za-z0-9_~-][A-Za-z0-9_~.-]*$/;

/** @throws ProblemError for a path outside of the organization, or one that another reader might understand in another way */
export function checkPath(orgId: string, path: string): void {
  const [empty, root = '', org, ...rest] = path.split('/');
  const isInside = empty === '' && /^(gateway|webhook)$/.test(root) && org === orgId && rest.length > 0;
  if (isInside && rest.every((segment) => SEGMENT.test(segment))) return;
  const message = `has to lie under /gateway/${orgId}/ or /webhook/${orgId}/, without query, escapes and dots in front`;
  throw validationFailed([{ path: '/path', message }]);
}
