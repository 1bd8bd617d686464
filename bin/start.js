// Starts the process that SERVICE_MODE names: the first argument `SERVICE_MODE=…`, else the environment, else standalone.
import { existsSync } from 'node:fs';

const MODES = ['standalone', 'master', 'bot'];
const word = process.argv.slice(2).findLast((argument) => argument.startsWith('SERVICE_MODE='));
const mode = word?.slice('SERVICE_MODE='.length) || process.env.SERVICE_MODE || 'standalone';
const entry = new URL(`../${mode}/dist/main.js`, import.meta.url);

if (!MODES.includes(mode)) refuse(`  SERVICE_MODE should be one of ${MODES.join(', ')}; it is "${mode}"`, 78);
else if (!existsSync(entry))
  refuse('VoiceOI is not built yet. Run `make build`, or `make run` which does everything.', 1);
else await import(entry.href);

/**
 * @param {string} message what people read
 * @param {number} code exit code
 */
function refuse(message, code) {
  console.error(message);
  process.exitCode = code;
}
