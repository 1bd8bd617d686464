import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** One source file and what it imports: relative ones as paths from the root, others as they stand. */
export interface SourceFile {
  readonly path: string;
  readonly imports: readonly string[];
  readonly text: string;
}

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s(?:[^'";]*?\sfrom\s)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

/** All TypeScript below `<workspace>/src`, tests left out. */
export function readSources(root: string, workspaces: readonly string[]): readonly SourceFile[] {
  return workspaces
    .map((workspace) => join(root, workspace, 'src'))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => walk(folder))
    .filter((path) => /\.tsx?$/.test(path) && !/\.test\.tsx?$/.test(path))
    .map((path) => readSource(root, path));
}

function readSource(root: string, path: string): SourceFile {
  const text = readFileSync(path, 'utf8');
  const imports = [...text.matchAll(IMPORT)].map((match) => match[1] ?? match[2] ?? '');
  const resolved = imports.map((name) => (name.startsWith('.') ? relative(root, join(dirname(path), name)) : name));
  return { path: relative(root, path), imports: resolved, text };
}

function walk(folder: string): readonly string[] {
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? walk(path) : [path]));
}

/** Cycles among files, each as the files that it runs through. */
export function findCycles(sources: readonly SourceFile[]): readonly string[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const seenAt = trail.indexOf(path);
    if (seenAt >= 0) return void cycles.push([...trail.slice(seenAt), path].join(' -> '));
    if (done.has(path)) return;
    for (const next of byPath.get(path)?.imports ?? []) if (byPath.has(next)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const source of sources) visit(source.path, []);
  return cycles;
}
