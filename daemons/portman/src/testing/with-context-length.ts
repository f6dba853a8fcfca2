/**
 * Gives a GGUF file of the llama kind another trained context, so that a prompt can be long enough to take seconds.
 * What the model then says is nonsense.
 */
export function withContextLength(gguf: Uint8Array, tokens: number): Uint8Array {
  const bytes = Buffer.from(gguf);
  const key = 'llama.context_length';
  const at = bytes.indexOf(key);
  if (at < 0) throw new Error(`the file has no ${key}`);
  // The key is followed by its type (u32) and the value (u32).
  bytes.writeUInt32LE(tokens, at + key.length + 4);
  return bytes;
}
