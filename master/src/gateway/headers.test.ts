import { expect, test } from 'vitest';
import { answerHeaders, requestHeaders } from './headers.ts';

test('what is of the connection, secret, or the master’s to say is not forwarded', () => {
  const headers = {
    ...{ connection: 'keep-alive, X-Hop', 'x-hop': '1', 'keep-alive': '5', te: 'trailers', upgrade: 'websocket' },
    ...{ host: 'master', 'content-length': '3', 'transfer-encoding': 'chunked', expect: '100-continue', cookie: 'a=b' },
    ...{ authorization: 'Bearer x', 'x-organization-secret': 'voi_x', 'x-sync-token': 'voi_x', forwarded: 'for=x' },
    ...{ 'x-voiceoi-public-url': 'http://forged', 'x-forwarded-for': '10.0.0.1', 'accept-encoding': 'gzip' },
  };
  const kept = {
    'content-type': 'application/json',
    'x-twilio-signature': 'abc=',
    'user-agent': 'Twilio',
    accept: '*/*',
  };
  expect(requestHeaders({ ...headers, ...kept })).toEqual(kept);
});

test('an answer sets no cookie at the master’s address, leads nowhere, and runs nothing there', () => {
  const kept = { 'content-type': 'text/html', 'retry-after': '2', 'cache-control': 'no-store' };
  const others = {
    'set-cookie': ['a=b'],
    location: 'http://elsewhere',
    connection: 'close',
    'x-organization-secret': 'v',
  };
  expect(answerHeaders({ ...kept, ...others, 'content-security-policy': 'default-src *' })).toEqual({
    ...kept,
    'content-security-policy': "default-src 'none'; sandbox",
  });
});
