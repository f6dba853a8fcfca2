/** Names of copies: the same for the same copy, so that one that was cut goes on with its part (CP-2). */

/** A UUID of version 8 (RFC 9562): the first 122 bits of SHA-256 over the parts. */
export function transferId(...parts: readonly (string | number)[]): string {
  // As JSON, so that no two lists of parts run together into one text.
  const hash = new Bun.CryptoHasher('sha256').update(JSON.stringify(parts)).digest();
  const hex = Buffer.from(hash.subarray(0, 16));
  hex[6] = 0x80 | ((hex[6] ?? 0) & 0x0f);
  hex[8] = 0x80 | ((hex[8] ?? 0) & 0x3f);
  const text = hex.toString('hex');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}
