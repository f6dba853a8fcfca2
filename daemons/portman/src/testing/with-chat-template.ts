/**
 * Gives a GGUF file a chat template, so that the template path runs on the small model too. The new entry is put before
 * the others and padded to the file's alignment: everything behind it moves by whole blocks and stays valid.
 */
const alignment = 32;
const headBytes = 24;
const key = 'tokenizer.chat_template';

export function withChatTemplate(gguf: Uint8Array, template: string): Uint8Array {
  const fixed = 8 + key.length + 4 + 8;
  const length = Math.ceil((fixed + Buffer.byteLength(template)) / alignment) * alignment - fixed;
  const entry = Buffer.alloc(fixed + length, ' ');
  entry.writeBigUInt64LE(BigInt(key.length), 0);
  entry.write(key, 8);
  entry.writeUInt32LE(8, 8 + key.length);
  entry.writeBigUInt64LE(BigInt(length), 12 + key.length);
  // Jinja drops what stands in a comment, so the padding adds nothing to a prompt.
  const padding = length - Buffer.byteLength(template);
  entry.write(padding >= 4 ? `${template}{#${' '.repeat(padding - 4)}#}` : template, fixed);
  const head = Buffer.from(gguf.subarray(0, headBytes));
  head.writeBigUInt64LE(head.readBigUInt64LE(16) + 1n, 16);
  return Buffer.concat([head, entry, gguf.subarray(headBytes)]);
}
