import { randomUUID } from 'node:crypto';
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { Logger, Metrics } from '@voiceoi/kernel';
import fastify, { type FastifyBaseLogger, type FastifyRequest, LogController } from 'fastify';
import { type Authenticators, accessGuard, checkRoute, scopeOf } from './access.ts';
import { answerError, answerNotFound } from './errors.ts';
import type { App, Feature } from './feature.ts';
import { registerOpenApi } from './openapi.ts';
import { validatorCompiler } from './validation.ts';

interface AppOptions {
  /** Proxies whose word for a client's address is taken. */
  readonly trustProxy?: readonly string[];
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly authenticators: Authenticators;
  readonly features: readonly Feature[];
  /** Runs what is left of a request where it sees only rows of its organization, or of all with `*`. */
  readonly inScope?: (scope: string, work: () => void) => void;
  /** Runs it where what it writes is known to come from this request. */
  readonly asFrom?: (request: FastifyRequest, work: () => void) => void;
}

const BODY_LIMIT = 1024 * 1024;

/** Builds the API from its features. @throws when a route does not say who may call it */
export async function createApp({
  log,
  metrics,
  authenticators,
  features,
  trustProxy = [],
  inScope = (_scope, work) => work(),
  asFrom = (_request, work) => work(),
}: AppOptions): Promise<App> {
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: () => randomUUID(),
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    bodyLimit: BODY_LIMIT,
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 128 },
    frameworkErrors: answerError,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.setValidatorCompiler(validatorCompiler as Parameters<typeof app.setValidatorCompiler>[0]);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  // Fastify takes text/plain unasked; here a body is JSON unless a route says otherwise.
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(answerNotFound);
  app.decorateRequest('principal');
  await app.register(cookie);
  await app.register(helmet, {
    contentSecurityPolicy: {
      directives: { defaultSrc: ["'self'"], imgSrc: ["'self'", 'data:'], upgradeInsecureRequests: null },
    },
  });
  app.addHook('onRoute', ({ url, config }) => {
    if (!url.startsWith('/api/docs')) checkRoute(url, config?.access);
  });
  measureRequests(app, metrics);
  app.addHook('onRequest', accessGuard(authenticators));
  // Behind the reading of the body, whose events would lose it.
  app.addHook('preValidation', (request, _reply, done) => asFrom(request, () => inScope(scopeOf(request), done)));
  await registerOpenApi(app);
  await app.register(async (scope) => {
    for (const feature of features) feature(scope as App);
  });
  return app;
}

function measureRequests(app: App, metrics: Metrics): void {
  const seconds = metrics.histogram('voiceoi_http_request_seconds', 'Requests of the master', [
    'method',
    'route',
    'code',
  ]);
  app.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'unknown';
    seconds.observe({ method: request.method, route, code: String(reply.statusCode) }, reply.elapsedTime / 1000);
    done();
  });
}
