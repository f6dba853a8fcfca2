/** Names that the planes give to requests, keys and nodes. */
import { base62, randomBase62, secureRandom, type RandomBytes } from './base62.ts';
import { crc32 } from './crc32.ts';
import { sipHash13 } from './siphash.ts';

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const h = (byte: number) => hex[byte & 0xff] as string;

// Random bytes are drawn by the page: a call into the system for each request id would cost more than the id.
const pool = new Uint8Array(4_096);
let poolAt = pool.length;
let lastMs = 0;
let sequence = 0;

/** UUIDv7 (RFC 9562) as 32 hex digits; ids of one process rise, also within a millisecond. */
function uuidv7Hex(): string {
  if (poolAt + 10 > pool.length) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  const r = pool.subarray(poolAt, (poolAt += 10)) as unknown as number[];
  const now = Date.now();
  if (now > lastMs) {
    lastMs = now;
    sequence = ((r[0] as number) << 3) | ((r[1] as number) & 7);
  } else if (++sequence > 0xfff) {
    // 12 bits are used up, or the clock went back: borrow from the next millisecond and stay rising.
    lastMs++;
    sequence = 0;
  }
  const high = Math.floor(lastMs / 0x1_0000_0000);
  const time = h(high >> 8) + h(high) + h(lastMs >>> 24) + h(lastMs >>> 16) + h(lastMs >>> 8) + h(lastMs);
  const middle = h(0x70 | (sequence >> 8)) + h(sequence) + h(0x80 | ((r[2] as number) & 0x3f)) + h(r[3] as number);
  return (
    time +
    middle +
    h(r[4] as number) +
    h(r[5] as number) +
    h(r[6] as number) +
    h(r[7] as number) +
    h(r[8] as number) +
    h(r[9] as number)
  );
}

/** A UUIDv7 in the usual form, 36 characters. */
export function uuidv7(): string {
  const text = uuidv7Hex();
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}`;
}

/** A new request id: `req_` and 32 hex digits that rise with time. */
export const requestId = (): string => `req_${uuidv7Hex()}`;

const requestIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's own request id when it is harmless, else a new one. */
export function cleanRequestId(text: string | undefined): string {
  return text !== undefined && requestIdPattern.test(text) ? text : requestId();
}

/** `lmk_<id>_<secret><checksum>`: 55 characters in all. */
const apiKeyPattern = /^lmk_([0-9A-Za-z]{12})_[0-9A-Za-z]{38}$/;
const apiKeyChecksumChars = 6;

const checksum = (text: string) => base62(crc32(text), apiKeyChecksumChars);

/** Makes an API key. The id is no secret; the key is shown once and kept as a hash only. */
export function makeApiKey(random: RandomBytes = secureRandom): { id: string; key: string } {
  const id = randomBase62(12, random);
  const body = `lmk_${id}_${randomBase62(32, random)}`;
  return { id, key: body + checksum(body) };
}

/** The id of a well-formed key, or undefined. A slip of the hand fails the checksum here, without a look-up. */
export function parseApiKey(text: string): { id: string } | undefined {
  if (text.length !== 55) return undefined;
  const id = apiKeyPattern.exec(text)?.[1];
  if (id === undefined || checksum(text.slice(0, -apiKeyChecksumChars)) !== text.slice(-apiKeyChecksumChars))
    return undefined;
  return { id };
}

/** A node's token: `lmn_`, its id, 256 secret bits. */
export const nodeTokenPattern = /^lmn_([0-9A-Za-z]{10})_[A-Za-z0-9_-]{43}$/;

/** The name a node goes by until its Conplane gives it one: what classic labman computed (network plane N6). */
export function provisionalNodeId(token: string): string {
  const bytes = new TextEncoder().encode(token);
  const ended = new Uint8Array(bytes.length + 1);
  ended.set(bytes);
  ended[bytes.length] = 0xff;
  return `node-${sipHash13(ended).toString(16).padStart(12, '0')}`;
}
