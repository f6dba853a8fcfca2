/** Gives that many random bytes, in an array of the caller's own: it is zeroed after use. */
export type RandomSource = (bytes: number) => Uint8Array;

/** @throws RangeError when the source gives another length. */
export function drawBytes(random: RandomSource, length: number): Uint8Array {
  const bytes = random(length);
  if (bytes.length !== length)
    throw new RangeError(`the source of randomness gave ${bytes.length} bytes for ${length}`);
  return bytes;
}

/** Field elements of two bytes each, little-endian, the upper three bits dropped. */
export function readElements(bytes: Uint8Array): Uint16Array {
  return Uint16Array.from({ length: bytes.length / 2 }, (_, i) => {
    const value = (bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8);
    return value & 0x1fff;
  });
}
