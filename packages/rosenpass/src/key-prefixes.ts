/** Placeholder: filled in the next commit. Nine 32-byte values that depend on a public key alone, in one array. */
export type KeyPrefixes = Uint8Array;
