/**
 * What the log holds (spec CT3): that something with this id and hash existed, of which kind and when. No tenant, no
 * content, nothing to guess a prompt from.
 */
import { z } from 'zod';
import { AttestRefused } from '../attest-refused.ts';
import { canonicalBytes } from '../json/canonical-json.ts';
import { parseCanonicalJson } from '../json/parse-json.ts';
import { instant } from '../statement/instant.ts';
import { entryBytesMax } from './entry-bundle.ts';

const schema = z.strictObject({
  v: z.literal(1),
  kind: z.enum(['certificate', 'revocation', 'audit', 'dataset']),
  id: z.string().min(1).max(200),
  /** Of the PAE of the envelope: neither who signed nor how the JSON was laid out is part of it. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  time: instant,
});
export type LogEntry = z.infer<typeof schema>;

/** @throws AttestRefused ENTRY_BAD, TOO_LARGE */
export function entryBytes(entry: LogEntry): Uint8Array<ArrayBuffer> {
  if (!schema.safeParse(entry).success) throw new AttestRefused('ENTRY_BAD', 'no log entry');
  const bytes = canonicalBytes(entry);
  if (bytes.length > entryBytesMax) throw new AttestRefused('TOO_LARGE', `an entry has at most ${entryBytesMax} bytes`);
  return bytes;
}

/** @throws AttestRefused ENTRY_BAD, JSON_BAD, JSON_NOT_CANONICAL, TOO_LARGE */
export function parseEntry(bytes: Uint8Array): LogEntry {
  const parsed = schema.safeParse(parseCanonicalJson(bytes, entryBytesMax));
  if (!parsed.success) throw new AttestRefused('ENTRY_BAD', 'no log entry');
  return parsed.data;
}
