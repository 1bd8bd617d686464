import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { type SettingsProblem, settingsProblem } from './problem.ts';

/** A port that a process is going to listen on; `name` is the setting's. Port 0 is always free, an absent one is not checked. */
export interface PortClaim {
  readonly name: string;
  readonly host: string | undefined;
  readonly port: number | undefined;
}

/** A problem for each port that cannot be listened on, or that two settings claim. */
export async function checkPorts(claims: readonly PortClaim[]): Promise<SettingsProblem[]> {
  const problems: SettingsProblem[] = [];
  const owners = new Map<number, string>();
  for (const claim of claims) {
    if (!claim.port) continue;
    const owner = owners.get(claim.port);
    owners.set(claim.port, claim.name);
    const message = owner
      ? `and ${owner} are both ${claim.port}: each needs a port of its own`
      : await tryToListen(claim);
    if (message) problems.push(settingsProblem(claim.name, message));
  }
  return problems;
}

/** A listening error as a setting's problem, or undefined when it is something else. */
export function listenProblem(error: unknown, claim: PortClaim): SettingsProblem | undefined {
  const message = listenMessage(errorCode(error), claim);
  return message === undefined ? undefined : settingsProblem(claim.name, message);
}

function listenMessage(code: string, { name, host, port }: PortClaim): string | undefined {
  if (code === 'EADDRINUSE')
    return `is ${port}, and another process listens there: stop it, or choose another with ${name}=PORT`;
  if (code === 'EACCES') return `is ${port}, which needs more rights: choose one above 1023`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `cannot be opened: HOST is ${host}, which is no address of this machine`;
  return undefined;
}

function tryToListen(claim: PortClaim): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) =>
      resolve(listenMessage(errorCode(error), claim) ?? `cannot be opened: ${error.message}`),
    );
    server.listen({ ...(claim.host && { host: claim.host }), port: claim.port ?? 0, exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    );
  });
}

/** A problem when the folder cannot be made or written to; an absent path is not checked. */
export async function checkDataDir(path: string | undefined, name = 'DATA_DIR'): Promise<SettingsProblem[]> {
  if (path === undefined) return [];
  const probe = join(path, `.probe-${randomUUID()}`);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await writeFile(probe, '');
    await rm(probe);
    return [];
  } catch (error) {
    return [settingsProblem(name, `is ${path}, ${folderMessage(errorCode(error))}`)];
  }
}

function folderMessage(code: string): string {
  if (code === 'EEXIST' || code === 'ENOTDIR') return 'which is not a folder, or lies below something that is none';
  if (code === 'EACCES' || code === 'EPERM') return 'where this user may not write';
  if (code === 'EROFS') return 'which is on a read-only file system';
  if (code === 'ENOSPC') return 'where no space is left';
  return `which cannot be written to (${code})`;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
