import { keyText } from './key-text.ts';

/** A text as Rust's `{:?}` shows a path. */
function quoted(path: string): string {
  const escapes: Readonly<Record<string, string>> = {
    '"': '\\"',
    '\\': '\\\\',
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\0': '\\0',
  };
  const escaped = path.replaceAll(
    /["\\\p{Cc}]/gu,
    (character) => escapes[character] ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
  return `"${escaped}"`;
}

/**
 * What Rosenpass gives other programs after an exchange, or with a random key when the last one went stale: the text of
 * the `key_out` file (mode 0600, put in place by rename) and the line for standard output (spec tunnel.md X5).
 * @param peerId 32 bytes. @param key 32 bytes.
 */
export function keyOutput(
  peerId: Uint8Array,
  key: Uint8Array,
  path: string,
  reason: 'exchanged' | 'stale',
): { fileText: string; line: string } {
  return {
    fileText: keyText(key),
    line: `output-key peer ${peerId.toBase64()} key-file ${quoted(path)} ${reason}`,
  };
}
