/**
 * Classic McEliece 460896 (not the f variant; its keys work here too): a binary Goppa code over GF(2^13), length 4608,
 * that corrects 96 errors. Source: Classic McEliece round 4 submission, spec tunnel.md 5.2.
 */
export const fieldBits = 13;
/** Elements of the field, and places of the network that orders them. */
export const fieldSize = 8192;
/** n: columns of the parity check matrix, bits of an error vector. */
export const codeLength = 4608;
/** t: errors in a ciphertext, degree of the Goppa polynomial. */
export const errorCount = 96;
/** Rows of the parity check matrix, bits of a syndrome. */
export const checkRows = 1248;

export const publicRowBytes = 420;
export const publicKeyBytes = 524_160;
export const errorVectorBytes = 576;
export const syndromeBytes = 156;
export const hashBytes = 32;
/** Network layers, each with 4096 control bits. */
export const networkLayers = 25;
export const layerBytes = 512;

/**
 * `pc188`: syndrome and a hash of the error vector, as every Rosenpass release sends; `r4-156`: the syndrome alone, as
 * Classic McEliece round 4 and Rosenpass main of 2024-05 to 2026-09 have it.
 */
export type CiphertextEncoding = 'pc188' | 'r4-156';

export const ciphertextBytes: Readonly<Record<CiphertextEncoding, number>> = {
  pc188: syndromeBytes + hashBytes,
  'r4-156': syndromeBytes,
};
