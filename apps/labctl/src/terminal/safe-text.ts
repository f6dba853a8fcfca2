/**
 * What could move the cursor, hide or turn text around: C0, DEL, C1, line and paragraph separators, marks of direction,
 * zero-width characters other than the joiner that emoji are built with, and halves of surrogate pairs.
 */
const hidden =
  // oxlint-disable-next-line no-control-regex -- they are what must not reach the terminal
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `\x1b`, `\u202e`: as it would be written in a program. */
function escaped(character: string): string {
  const point = character.codePointAt(0) ?? 0;
  const hex = point.toString(16);
  return (
    named[character] ??
    (point < 0x100 ? `\\x${hex.padStart(2, '0')}` : point > 0xffff ? `\\u{${hex}}` : `\\u${hex.padStart(4, '0')}`)
  );
}

/** Text from outside (model names, host names, engine texts) for a terminal: on one line, control characters escaped (CT-6). */
export function safeText(text: string): string {
  return text.replace(hidden, escaped);
}
