const mask = (1n << 64n) - 1n;
const rotl = (x: bigint, bits: bigint) => ((x << bits) | (x >> (64n - bits))) & mask;
type State = [bigint, bigint, bigint, bigint];

function round([a, b, c, d]: State): State {
  a = (a + b) & mask;
  b = rotl(b, 13n) ^ a;
  a = rotl(a, 32n);
  c = (c + d) & mask;
  d = rotl(d, 16n) ^ c;
  a = (a + d) & mask;
  d = rotl(d, 21n) ^ a;
  c = (c + b) & mask;
  b = rotl(b, 17n) ^ c;
  c = rotl(c, 32n);
  return [a, b, c, d];
}

/** SipHash-1-3 with the zero key (Aumasson and Bernstein 2012; Rust's default hasher). For a few ids, not for speed. */
export function sipHash13(bytes: Uint8Array): bigint {
  let v: State = [0x736f6d6570736575n, 0x646f72616e646f6dn, 0x6c7967656e657261n, 0x7465646279746573n];
  const padded = new Uint8Array(Math.floor(bytes.length / 8) * 8 + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 0xff;
  const view = new DataView(padded.buffer);
  for (let at = 0; at < padded.length; at += 8) {
    const word = view.getBigUint64(at, true);
    v = round([v[0], v[1], v[2], v[3] ^ word]);
    v[0] ^= word;
  }
  v = round(round(round([v[0], v[1], v[2] ^ 0xffn, v[3]])));
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
