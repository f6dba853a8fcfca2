import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { safeText } from './safe-text.ts';

test.each([
  ['plain 模型 👩‍🔬 e\u0301', 'plain 模型 👩‍🔬 e\u0301'],
  ['\u001b[2Jx', '\\x1b[2Jx'],
  ['a\nb\r\tc', 'a\\nb\\r\\tc'],
  ['\u0007\u009b', '\\x07\\x9b'],
  ['abc\u202etxt.exe', 'abc\\u202etxt.exe'],
  ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
  ['\ud800x', '\\ud800x'],
  ['\u{e0041}', '\\u{e0041}'],
])('CT-6 %j is shown as %j', (text, wanted) => expect(safeText(text)).toBe(wanted));

test('CT-6 no text moves a cursor, turns text around or holds what is not seen', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const shown = safeText(text);
      // oxlint-disable-next-line no-control-regex -- they are what must not be there
      expect(shown).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
      // It is harmless already: once more changes nothing.
      expect(safeText(shown)).toBe(shown);
    }),
    { numRuns: 500 },
  );
});
