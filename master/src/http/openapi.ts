import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { isAction, PERMISSIONS, Problem } from '@voiceoi/contracts';
import { VERSION } from '@voiceoi/kernel';
import type { FastifySchema } from 'fastify';
import type { TSchema } from 'typebox';
import type { Access } from './access.ts';
import type { App } from './feature.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';

const BEARER = [{ bearer: [] }];
const BEARER_OR_SIGNED = [{ bearer: [] }, { urlSignature: [] }];
const NODE = [{ organizationSecret: [] }, { syncToken: [] }];

/** OpenAPI 3.1 at `/api/openapi.json`, and a page for people at `/api/docs`. */
export async function registerOpenApi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'VoiceOI',
        version: VERSION,
        description: [
          'API of the VoiceOI master. Errors are problems (RFC 9457) with a stable `code`.',
          '`x-required-role` is the least role that may call an operation: viewer, editor, admin, owner, superadmin.',
          'To somebody who is no member of it, an organization is not there (404).',
        ].join(' '),
      },
      servers: [{ url: '/' }],
      tags: [
        'auth',
        'organizations',
        'members',
        'campaigns',
        'scripts',
        'nodes',
        'calls',
        'gateway',
        'sync',
        'service',
      ].map((name) => ({
        name,
      })),
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'Access token of POST /api/auth/login, or an API token',
          },
          organizationSecret: {
            type: 'apiKey',
            in: 'header',
            name: 'X-Organization-Secret',
            description: 'Organization key',
          },
          urlSignature: {
            type: 'apiKey',
            in: 'query',
            name: 'sig',
            description: 'With exp and kid: a URL of POST /api/orgs/{org_id}/signed-urls',
          },
          syncToken: { type: 'apiKey', in: 'header', name: 'X-Sync-Token', description: 'Organization key' },
        },
      },
    },
  });
  await app.register(swaggerUi, { routePrefix: '/api/docs' });
  app.get('/api/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () => app.swagger());
}

interface RouteDescription {
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly access: Access;
  /** A signed URL will do instead of it. */
  readonly takesSignedUrl?: boolean;
  readonly description?: string;
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema;
  readonly headers?: { readonly [name: string]: object };
  /** Answers by status; null for one without content. */
  readonly answers: { readonly [status: number]: TSchema | null };
  /** Problems beside those that every route of its kind can have. */
  readonly problems?: readonly ProblemCode[];
}

/** Schemas under the names by which Fastify knows them, so that requests are typed by them. */
type SchemaOf<D> = FastifySchema &
  (D extends { readonly body: infer B } ? { body: B } : unknown) &
  (D extends { readonly params: infer P } ? { params: P } : unknown) &
  (D extends { readonly query: infer Q } ? { querystring: Q } : unknown);

interface RouteOptions<D> {
  readonly config: { readonly access: Access; readonly takesSignedUrl?: boolean };
  readonly schema: SchemaOf<D>;
}

/** Options of a route from one description: what it takes, what it answers, who may call it, and its part of the OpenAPI. */
export function route<const D extends RouteDescription>(description: D): RouteOptions<D> {
  const { id, tag, summary, access, params, query, body } = description;
  const schema = {
    operationId: id,
    tags: [tag],
    summary,
    ...(description.description && { description: description.description }),
    ...(isAction(access) && { 'x-permission': access, 'x-required-role': PERMISSIONS[access] }),
    security: securityOf(description),
    ...(params && { params }),
    ...(query && { querystring: query }),
    ...(body && { body }),
    ...(description.headers && { headers: { type: 'object', properties: description.headers } }),
    response: responses(description),
  };
  const config = { access, ...(description.takesSignedUrl && { takesSignedUrl: true }) };
  return { config, schema: schema as unknown as SchemaOf<D> };
}

function securityOf({ access, takesSignedUrl }: RouteDescription): readonly object[] {
  if (access === 'public') return [];
  if (access === 'node') return NODE;
  return takesSignedUrl ? BEARER_OR_SIGNED : BEARER;
}

function responses(description: RouteDescription): { readonly [status: string]: object } {
  const answers = Object.entries(description.answers).map(
    ([status, schema]) => [status, schema ?? { description: 'Done', type: 'null' }] as const,
  );
  const statuses = new Set(problemsOf(description).map((code) => PROBLEMS[code].status));
  const problems = [...statuses].map(
    (status) =>
      [
        String(status),
        { description: titleOf(status), content: { 'application/problem+json': { schema: Problem } } },
      ] as const,
  );
  return Object.fromEntries([...problems, ...answers]);
}

function problemsOf({ access, params, query, body, problems = [] }: RouteDescription): readonly ProblemCode[] {
  const codes: ProblemCode[] = [...problems, 'INTERNAL'];
  if (access === 'node') codes.push('UNKNOWN_KEY', 'FOREIGN_ORGANIZATION');
  else if (access !== 'public') codes.push('UNAUTHENTICATED');
  if (isAction(access)) codes.push('FORBIDDEN');
  if (params || query || body) codes.push('VALIDATION_FAILED');
  if (params) codes.push('NOT_FOUND');
  if (body) codes.push('TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE');
  return codes;
}

function titleOf(status: number): string {
  return Object.values(PROBLEMS)
    .filter((problem) => problem.status === status)
    .map(({ title }) => title)
    .join('; ');
}
