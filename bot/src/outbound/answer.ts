import type { IncomingMessage } from 'node:http';
import type { Json } from '@voiceoi/contracts';
import type { EffectResult } from '@voiceoi/script';

/** Longest answer that a script gets; longer ones fail. Bytes. */
const LONGEST_ANSWER = 64 * 1024;

/**
 * Reads what a script's request brought. A body is JSON when its content type says so and it is, else text.
 * @throws the connection's error when the answer breaks off
 */
export async function readAnswer(response: IncomingMessage): Promise<EffectResult> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > LONGEST_ANSWER) {
      response.destroy();
      return { kind: 'failed', reason: `an answer of more than ${LONGEST_ANSWER} bytes` };
    }
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
  const body = parseBody(text, headers['content-type'] ?? '');
  return { kind: 'response', status: response.statusCode ?? 0, headers, body };
}

function parseBody(text: string, contentType: string): Json {
  if (!/\bjson\b/i.test(contentType)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
