import type { IncomingMessage } from 'node:http';

/** Reads a body; undefined when it is longer than `mostBytes`. @throws the error of a connection that was lost */
export async function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, bytes);
}

/** Whether a body says that it is of a media type, whatever its parameters. */
export function isOfType(request: IncomingMessage, type: string): boolean {
  const [given = ''] = (request.headers['content-type'] ?? '').split(';');
  return given.trim().toLowerCase() === type;
}
