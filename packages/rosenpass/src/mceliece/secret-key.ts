import { errorCount, errorVectorBytes, hashBytes, layerBytes, networkLayers } from './parameters.ts';
import { RosenpassKeyInvalid } from './rosenpass-key-invalid.ts';

/** `pc`: 13,568 bytes, Rosenpass releases (liboqs 0.8); `r4`: 13,608 bytes, round 4 and Rosenpass main. */
export type SecretKeyLayout = 'pc' | 'r4';

/** Views of a secret key's parts. */
export type SecretKeyParts = {
  /** Rejected ciphertexts get a key made of it; 576 bytes. */
  s: Uint8Array;
  /** Goppa polynomial below its leading 1: 96 u16, low coefficient first; 192 bytes. */
  g: Uint8Array;
  /** Of the network that orders the support; 12,800 bytes. */
  controlBits: Uint8Array;
};

const goppaBytes = errorCount * 2;
const controlBytes = networkLayers * layerBytes;
/** Seed, then the columns that the f variant's pivots take: here always the first 32 of its window. */
const seedBytes = hashBytes;
const pivots = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);

export const secretKeyBytes: Readonly<Record<SecretKeyLayout, number>> = {
  pc: errorVectorBytes + goppaBytes + controlBytes,
  r4: seedBytes + pivots.length + goppaBytes + controlBytes + errorVectorBytes,
};

/**
 * The parts as views into `secret`; its length tells the layout.
 * @param what names it in the error. @throws RosenpassKeyInvalid for any other length.
 */
export function splitSecretKey(secret: Uint8Array, what = 'secret key'): SecretKeyParts {
  if (secret.length === secretKeyBytes.pc) {
    const controlAt = errorVectorBytes + goppaBytes;
    return {
      s: secret.subarray(0, errorVectorBytes),
      g: secret.subarray(errorVectorBytes, controlAt),
      controlBits: secret.subarray(controlAt),
    };
  }
  if (secret.length === secretKeyBytes.r4) {
    const goppaAt = seedBytes + pivots.length;
    const controlAt = goppaAt + goppaBytes;
    return {
      s: secret.subarray(controlAt + controlBytes),
      g: secret.subarray(goppaAt, controlAt),
      controlBits: secret.subarray(controlAt, controlAt + controlBytes),
    };
  }
  throw new RosenpassKeyInvalid(what, secret.length, secretKeyBytes.pc, secretKeyBytes.r4);
}

/** A secret key in the wanted layout. The seed of `r4` is not used after generation, so any 32 random bytes do. */
export function joinSecretKey(parts: SecretKeyParts, layout: SecretKeyLayout, seed: Uint8Array): Uint8Array {
  const { s, g, controlBits } = parts;
  const pieces = layout === 'pc' ? [s, g, controlBits] : [seed, pivots, g, controlBits, s];
  const secret = new Uint8Array(secretKeyBytes[layout]);
  let at = 0;
  for (const piece of pieces) {
    secret.set(piece, at);
    at += piece.length;
  }
  return secret;
}
