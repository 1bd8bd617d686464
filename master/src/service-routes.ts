import { VERSION } from '@voiceoi/kernel';
import Type from 'typebox';
import { type App, type Feature, route } from './http/index.ts';

const Index = Type.Object({
  name: Type.Literal('VoiceOI'),
  version: Type.String(),
  docs: Type.String(),
  openapi: Type.String(),
});

const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>VoiceOI</title><meta name="viewport" content="width=device-width,initial-scale=1"></head>
<body><h1>VoiceOI ${VERSION}</h1>
<p>The master is running. The dashboard comes with a later version; until then there is <a href="/api/docs">the API with its documentation</a>.</p>
</body></html>
`;

/** Where somebody who opens the address finds the way. */
export function serviceRoutes(): Feature {
  return (app: App) => {
    app.get(
      '/api',
      route({ id: 'getIndex', tag: 'service', summary: 'What this is', access: 'public', answers: { 200: Index } }),
      async () => ({
        name: 'VoiceOI' as const,
        version: VERSION,
        docs: '/api/docs',
        openapi: '/api/openapi.json',
      }),
    );
    app.get('/', { config: { access: 'public' }, schema: { hide: true } }, async (_request, reply) =>
      reply.type('text/html; charset=utf-8').send(PAGE),
    );
  };
}
