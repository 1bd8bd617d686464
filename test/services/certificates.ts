import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A certificate of loopback, and the authority that has signed it. */
export interface Certificates {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  remove(): void;
}

/** Makes them by openssl, as people do. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'voiceoi-certificates-'));
  const path = (name: string): string => join(folder, name);
  const openssl = (...words: readonly string[]): void => void execFileSync('openssl', words, { stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', path('ca.key'), '-out', path('ca.crt'), '-subj', '/CN=test CA');
  openssl('req', ...newKey, '-keyout', path('server.key'), '-out', path('server.csr'), '-subj', '/CN=localhost');
  writeFileSync(path('names'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
  const signing = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('names')];
  openssl('x509', '-req', '-in', path('server.csr'), '-out', path('server.crt'), ...signing);
  return {
    ca: path('ca.crt'),
    certificate: path('server.crt'),
    key: path('server.key'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
