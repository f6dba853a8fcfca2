import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { LiteralRewriter } from './literal-rewriter.ts';

const path = '/models/x.gguf';

function rewrite(pieces: readonly Uint8Array[]): string {
  const rewriter = new LiteralRewriter(path, 'x.gguf');
  return Buffer.concat([...pieces.map((piece) => Buffer.from(rewriter.push(piece))), rewriter.flush()]).toString();
}

test('a value is replaced, a part of a text is not', () => {
  const json = JSON.stringify({ model: path, text: `it is ${path} or "${path}"`, root: path });
  expect(JSON.parse(rewrite([Buffer.from(json)]))).toEqual({
    model: 'x.gguf',
    text: `it is ${path} or "${path}"`,
    root: 'x.gguf',
  });
});

test('wherever the pieces are cut, the bytes are the same', () => {
  const text = fc
    .array(fc.constantFrom(`"${path}"`, '"', '/models', '"/models/x.gguf', 'é', ',', '\n\n'))
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(text, fc.array(fc.nat({ max: 80 })), (all, cuts) => {
      const bytes = Buffer.from(all);
      const at = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].toSorted((a, b) => a - b);
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      expect(rewrite(pieces)).toBe(all.replaceAll(`"${path}"`, '"x.gguf"'));
    }),
  );
});
