/** Base 62 with the digits `0-9A-Za-z`, most significant first. */
export const base62Digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Writes a number ≥ 0, at least `width` digits long. 0 is `0`. */
export function base62(value: bigint | number, width = 1): string {
  if (value < 0) throw new RangeError('base62 takes no negative number');
  let text = '';
  if (typeof value === 'number') {
    // Without BigInt: a key's checksum is written for each request.
    for (let rest = value; rest > 0; rest = Math.floor(rest / 62)) text = base62Digits.charAt(rest % 62) + text;
    return text.padStart(Math.max(1, width), '0');
  }
  let rest = value;
  while (rest > 0n) {
    text = base62Digits.charAt(Number(rest % 62n)) + text;
    rest /= 62n;
  }
  return text.padStart(Math.max(1, width), '0');
}

/** Gives `length` random bytes. */
export type RandomBytes = (length: number) => Uint8Array;

export const secureRandom: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));

/** `length` random digits, each equally likely. */
export function randomBase62(length: number, random: RandomBytes = secureRandom): string {
  let text = '';
  while (text.length < length) {
    for (const byte of random(length + 8)) {
      // 248 = 4 × 62: the bytes above would make the first digits likelier.
      if (byte < 248 && text.length < length) text += base62Digits.charAt(byte % 62);
    }
  }
  return text;
}
