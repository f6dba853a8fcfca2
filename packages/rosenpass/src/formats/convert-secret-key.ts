import { drawBytes, type RandomSource } from '../mceliece/random-source.ts';
import { joinSecretKey, type SecretKeyLayout, splitSecretKey } from '../mceliece/secret-key.ts';
import { wipe } from '../mceliece/words.ts';

/**
 * A copy of a secret key of either layout in the wanted one: `pc` (13,568 bytes) for Rosenpass releases, `r4` (13,608)
 * for its main. The seed that `r4` begins with is not part of `pc` and plays no role after generation: a random one.
 * @throws RosenpassKeyInvalid for any other length.
 */
export function convertSecretKey(secret: Uint8Array, layout: SecretKeyLayout, random: RandomSource): Uint8Array {
  const parts = splitSecretKey(secret);
  const seed = drawBytes(random, 32);
  const converted = joinSecretKey(parts, layout, seed);
  wipe(seed);
  return converted;
}
