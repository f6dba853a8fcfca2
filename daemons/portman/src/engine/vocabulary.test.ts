import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { byteTokens, ByteVocabulary } from './vocabulary.ts';

const byteWord = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
const words = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => byteWord(byte))];
const vocabulary = new ByteVocabulary(byteTokens(words) ?? []);

test('a vocabulary is bare bytes only when it has all of them and little else', () => {
  expect(byteTokens(words)).toHaveLength(256);
  expect(byteTokens(words.slice(0, -1))).toBeUndefined();
  expect(byteTokens([...words, ...Array.from({ length: 300 }, (_, at) => `word${at}`)])).toBeUndefined();
});

test('a space is one byte', () => {
  expect(vocabulary.encode('a b') as number[]).toEqual([100, 35, 101]);
});

// A text may hold the replacement character itself; those say nothing about halves.
const texts = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\ufffd'));

test('text comes back whole, one whole character at a time', () => {
  fc.assert(
    fc.property(texts, (text) => {
      const decoder = vocabulary.decoder();
      const pieces = vocabulary.encode(text).map((token) => decoder.push(token));
      expect(pieces.join('')).toBe(text);
      for (const piece of pieces) expect(piece).not.toContain('\ufffd');
    }),
  );
});

test('any tokens give well-formed text', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 258 })), (tokens) => {
      const decoder = vocabulary.decoder();
      for (const token of tokens) expect(decoder.push(token as never).isWellFormed()).toBe(true);
    }),
  );
});
