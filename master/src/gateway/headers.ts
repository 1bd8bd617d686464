import type { IncomingHttpHeaders } from 'node:http';

/** Headers by name, as they go over the wire. */
export interface Headers {
  readonly [name: string]: string | readonly string[];
}

/** Of one connection alone (RFC 9110, 7.6.1), and what the gateway says anew for the next. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set([
  ...['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer'],
  ...['transfer-encoding', 'upgrade', 'http2-settings', 'host', 'content-length', 'expect'],
]);
/** The client's secrets are the master's alone, and what only the master may say must not come from a client. */
const NOT_FORWARDED =
  /^(cookie|authorization|accept-encoding|forwarded|via|x-real-ip|x-request-id|x-forwarded-.*|x-organization-secret|x-sync-token|x-voiceoi-.*)$/;

/** What of a client's headers goes on to the node. */
export function requestHeaders(headers: IncomingHttpHeaders): Headers {
  const named = new Set(
    String(headers.connection ?? '')
      .toLowerCase()
      .split(',')
      .map((name) => name.trim()),
  );
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined || OF_THE_CONNECTION.has(name) || named.has(name) || NOT_FORWARDED.test(name)
        ? []
        : [[name, value] as const],
    ),
  );
}

const ANSWERED: readonly string[] = [
  ...['content-type', 'content-encoding', 'content-language', 'content-disposition', 'cache-control', 'retry-after'],
  ...['etag', 'last-modified', 'www-authenticate', 'allow'],
];

/**
 * What of a node's headers goes back. The answer comes from the address of the dashboard, so it may neither set cookies nor be a page
 * that does something there.
 */
export function answerHeaders(headers: IncomingHttpHeaders): Headers {
  const kept = ANSWERED.flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), 'content-security-policy': "default-src 'none'; sandbox" };
}
