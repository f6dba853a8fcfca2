/** labd's own key and certificate, from the file it keeps: the bare servers show the same. */
import { readFileSync } from 'node:fs';

/** Key, and leaf with intermediate, PEM. */
export function readServerIdentity(path: string): { key: string; cert: string } {
  const blocks = readFileSync(path, 'utf8').match(/-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----/g) ?? [];
  const key = blocks.find((block) => block.includes('PRIVATE KEY')) ?? '';
  const certificates = blocks.filter((block) => block.includes('BEGIN CERTIFICATE'));
  return { key, cert: certificates.slice(0, 2).join('\n') };
}
