import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '../../node_modules/.cache/voiceoi-tests');

/**
 * A package that only a test needs, in a folder of its own: among the project's dependencies it would take the place of others (another Node)
 * or bring a hundred more. Installed once and kept. Returns the package's folder.
 */
export function npmPackage(name: string, version: string): string {
  const folder = join(CACHE, `${name}@${version}`);
  const installed = join(folder, 'node_modules', name);
  if (existsSync(join(installed, 'package.json'))) return installed;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  execFileSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts', `${name}@${version}`],
    { cwd: folder, stdio: 'pipe' },
  );
  return installed;
}
