import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { VERSION } from '../../kernel/src/index.ts';
import { findCycles, readSources, type SourceFile } from './imports.ts';

const ROOT = join(import.meta.dirname, '../..');

/** Who may import whom; `standalone` is the one that puts master and bot together. */
const ALLOWED: { readonly [workspace: string]: readonly string[] } = {
  contracts: [],
  script: ['contracts'],
  kernel: ['contracts'],
  master: ['contracts', 'script', 'kernel'],
  bot: ['contracts', 'script', 'kernel'],
  standalone: ['contracts', 'script', 'kernel', 'master', 'bot'],
};

/** Packages that a workspace confines itself to; others are free to use what their package.json lists. */
const CONFINED: { readonly [workspace: string]: readonly string[] } = {
  contracts: ['typebox'],
  script: ['typebox', '@marcbachmann/cel-js'],
};

/** The only files that touch the process: composition roots, the end of a process, and how a connection to Redis is made. */
const MAY_TOUCH_PROCESS = /\/main\.ts$|\/admin\.ts$|^kernel\/src\/(lifecycle|redis)\.ts$/;

const sources = readSources(ROOT, Object.keys(ALLOWED));
const workspaceOf = (path: string): string => path.split('/')[0] ?? '';
const featureOf = (path: string): string => path.split('/').slice(0, -1).join('/');

function offences(find: (source: SourceFile, name: string) => boolean): readonly string[] {
  return sources.flatMap((source) =>
    source.imports.filter((name) => find(source, name)).map((name) => `${source.path} imports ${name}`),
  );
}

describe('shape of the code', () => {
  test('there is code to look at', () => {
    expect(sources.length).toBeGreaterThan(20);
    expect(new Set(sources.map((source) => workspaceOf(source.path)))).toEqual(new Set(Object.keys(ALLOWED)));
  });

  test('workspaces import each other only as the architecture allows, by their package name', () => {
    expect(
      offences((source, name) => {
        const own = workspaceOf(source.path);
        const other = /^@voiceoi\/([^/]+)(\/.*)?$/.exec(name);
        if (other) return other[2] !== undefined || !(ALLOWED[own] ?? []).includes(other[1] ?? '');
        return Object.keys(ALLOWED).includes(workspaceOf(name)) && name.includes('/src/') && workspaceOf(name) !== own;
      }),
    ).toEqual([]);
  });

  test('contracts and script depend on their few libraries alone, so that they run in a browser', () => {
    expect(
      offences((source, name) => {
        const confined = CONFINED[workspaceOf(source.path)];
        if (!confined || name.startsWith('@voiceoi/') || name.includes('/src/')) return false;
        return !confined.some((allowed) => name === allowed || name.startsWith(`${allowed}/`));
      }),
    ).toEqual([]);
  });

  test('a feature is entered through its index.ts', () => {
    expect(
      offences((source, name) => {
        if (!name.includes('/src/')) return false;
        const target = featureOf(name);
        const depth = target.split('/').length;
        if (depth <= 2 || source.path.startsWith(`${target}/`)) return false;
        const [workspace, src, feature] = target.split('/');
        if (source.path.startsWith(`${workspace}/${src}/${feature}/`)) return false;
        return name !== `${workspace}/${src}/${feature}/index.ts`;
      }),
    ).toEqual([]);
  });

  test('no files import each other in a circle', () => {
    expect(findCycles(sources)).toEqual([]);
  });

  test('only composition roots touch process.env, process.argv and process.exit, or make pools', () => {
    const touching = sources.filter(({ text }) =>
      /process\.(env|argv|exit)\b|new (pg\.)?Pool\(|new (Redis|Cluster)\(|[^.]openRedis\(/.test(text),
    );
    expect(touching.map(({ path }) => path).filter((path) => !MAY_TOUCH_PROCESS.test(path))).toEqual([]);
  });

  test('composition roots stay under 100 lines', () => {
    const long = sources.filter(({ path, text }) => path.endsWith('/main.ts') && text.split('\n').length > 100);
    expect(long.map(({ path }) => path)).toEqual([]);
  });

  test('nothing exports a default or is called utils, helpers or common', () => {
    const bad = sources.filter(
      ({ path, text }) => /export default/.test(text) || /\/(utils|helpers|common|manager)(\.ts|\/)/.test(path),
    );
    expect(bad.map(({ path }) => path)).toEqual([]);
  });

  test('one version for all', () => {
    const versions = ['.', ...Object.keys(ALLOWED)].map(
      (folder) => JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')).version,
    );
    expect(new Set(versions)).toEqual(new Set([VERSION]));
  });
});
