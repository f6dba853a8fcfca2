import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { shellInDoubleQuotes, shellQuote } from './shell-quote.ts';

const printed = (words: string) => Bun.spawnSync(['sh', '-c', `printf %s ${words}`]).stdout.toString();

/** What a shell word can hold: no NUL, and no end of line that `$(…)` would take away. */
const word = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((text) => !text.includes('\0'));

test('plain words stay as they are', () => {
  expect(shellQuote('http://127.0.0.1:8080/v1')).toBe('http://127.0.0.1:8080/v1');
  expect(shellQuote('')).toBe("''");
});

test('a shell gives back what was quoted', () => {
  expect(printed(shellQuote(`it's "$HOME" \`id\` \\ !`))).toBe(`it's "$HOME" \`id\` \\ !`);
  fc.assert(
    fc.property(word, (text) => {
      expect(printed(shellQuote(text))).toBe(text);
      expect(printed(`"${shellInDoubleQuotes(text)}"`)).toBe(text);
    }),
    { numRuns: 60 },
  );
});
