import { createHash } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Longest path that the system takes for a socket (`sun_path` is 104 bytes on macOS, 108 on Linux). */
const LONGEST_SOCKET_PATH = 100;

/** Held until `release`, or until the process ends in whatever way. */
export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Makes this process the only one that uses a folder; undefined when another one has it. A listening socket is the lock:
 * unlike a file with a process id it cannot outlive its process, and it also holds between containers that share a volume.
 */
export async function lockFolder(path: string): Promise<FolderLock | undefined> {
  const socket = await socketPath(path);
  for (let attempt = 0; attempt < 2; attempt++) {
    const server = await listen(socket);
    if (server) return { release: () => close(server) };
    if (await isAnswered(socket)) return undefined;
    await rm(socket, { force: true });
  }
  return undefined;
}

async function socketPath(folder: string): Promise<string> {
  const real = await realpath(folder);
  const path = join(real, 'lock.sock');
  if (Buffer.byteLength(path) <= LONGEST_SOCKET_PATH) return path;
  return join(tmpdir(), `voiceoi-${createHash('sha256').update(real).digest('hex').slice(0, 32)}.sock`);
}

function listen(socket: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((peer) => peer.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen(socket, () => resolve(server.unref()));
  });
}

function isAnswered(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const peer = connect(socket);
    peer.once('connect', () => {
      peer.destroy();
      resolve(true);
    });
    peer.once('error', () => resolve(false));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
