import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { EscapeKeys } from './escape-keys.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** What goes on and the command, with the text typed in the pieces given. */
function typed(...pieces: string[]): [string, string | undefined] {
  const keys = new EscapeKeys();
  let text = '';
  for (const piece of pieces) {
    const { bytes: passed, command } = keys.push(bytes(piece));
    text += new TextDecoder().decode(passed);
    if (command !== undefined) return [text, command];
  }
  return [text, undefined];
}

describe('keys for labctl in a terminal (EX-8)', () => {
  test.each([
    ['ls\r~d', 'ls\r', 'detach'],
    ['ls\r~.', 'ls\r', 'end'],
    ['~.', '', 'end'],
    ['\n~d', '\n', 'detach'],
    ['a~d', 'a~d', undefined],
    ['a\r~~b', 'a\r~b', undefined],
    ['\r~x', '\r~x', undefined],
    ['\r~\r~d', '\r~\r', 'detach'],
    ['cd ~/x\r', 'cd ~/x\r', undefined],
    ['\r~', '\r', undefined],
  ])('%j', (text, passed, command) => {
    expect(typed(text)).toEqual([passed, command]);
    // The same however the terminal cuts it.
    expect(typed(...text)).toEqual([passed, command]);
  });

  test('without a ~ behind Enter every byte goes on', () => {
    const piece = fc.uint8Array({ maxLength: 40 }).map((one) => one.map((byte) => (byte === 0x7e ? 0x7d : byte)));
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const keys = new EscapeKeys();
        const passed = pieces.map((one) => keys.push(one));
        expect(passed.every(({ command }) => command === undefined)).toBe(true);
        expect(Buffer.concat(passed.map((one) => one.bytes))).toEqual(Buffer.concat(pieces));
      }),
    );
  });
});
