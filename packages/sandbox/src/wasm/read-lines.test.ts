import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readLines } from './read-lines.ts';

const stream = (chunks: readonly Uint8Array[]) =>
  new ReadableStream<Uint8Array>({ start: (c) => (chunks.forEach((x) => c.enqueue(x)), c.close()) });
const bytes = (text: string) => new TextEncoder().encode(text);
const read = async (chunks: readonly Uint8Array[], bytesMax = 1000) => {
  const lines: string[] = [];
  for await (const line of readLines(stream(chunks), bytesMax)) lines.push(line);
  return lines;
};

describe('readLines', () => {
  test('gives whole lines, and drops what has no end', async () => {
    expect(await read([bytes('a\nb'), bytes('c\n\nd')])).toEqual(['a', 'bc', '']);
  });

  test('however the stream is cut', async () => {
    const line = fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\n', ''));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat(40)), async (lines, cuts) => {
        const all = bytes(lines.map((one) => `${one}\n`).join(''));
        const chunks: Uint8Array[] = [];
        let at = 0;
        for (const cut of [...cuts, all.length]) {
          chunks.push(all.subarray(at, Math.min(at + cut, all.length)));
          at = Math.min(at + cut, all.length);
        }
        chunks.push(all.subarray(at));
        expect(await read(chunks)).toEqual(lines.map((one) => new TextDecoder().decode(bytes(one))));
      }),
    );
  });

  test.each([
    ['in one piece', ['x'.repeat(11), '\n']],
    ['with its end', [`${'x'.repeat(11)}\n`]],
    ['in many', ['xxxxx', 'xxxxx', 'x\n']],
  ])('a line that is too long is an error: %s', async (_, texts) => {
    expect(await thrower(read(texts.map(bytes), 10))).toThrow('sandbox.line');
  });

  test('a line of just the length passes', async () =>
    expect(await read([bytes('xxxxxxxxxx\n')], 10)).toEqual(['xxxxxxxxxx']));
});
