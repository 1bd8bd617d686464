// Makes dist/index.js: the bot node as one file that needs nothing beside the root package.json (Node 22 or newer).
import { build } from 'esbuild';

await build({
  entryPoints: ['bot/src/main.ts'],
  outfile: 'dist/index.js',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22',
  conditions: ['source'],
  minifySyntax: true,
  legalComments: 'none',
  // Libraries in CommonJS ask for Node's own modules by require, which a module does not have.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
console.log('dist/index.js is ready: copy it with package.json, and run it with plain node or pm2.');
