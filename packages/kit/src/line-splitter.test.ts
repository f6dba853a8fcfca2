import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BoundPassed } from './bounded-queue.ts';
import { LineSplitter, readLines } from './line-splitter.ts';

/** All lines of `bytes`, which come in pieces of the given sizes. */
function linesOf(bytes: Uint8Array, sizes: readonly number[], bytesMost = 1_000): string[] {
  const splitter = new LineSplitter('test.line', bytesMost);
  const lines: string[] = [];
  let from = 0;
  for (const size of [...sizes, bytes.length]) {
    lines.push(...splitter.push(bytes.subarray(from, from + size)));
    from += size;
  }
  return [...lines, splitter.end()];
}

describe('lines of a stream', () => {
  test('LF and CRLF end a line, the last one needs none', () => {
    expect(linesOf(Buffer.from('a\r\n\né\nlast'), [])).toEqual(['a', '', 'é', 'last']);
  });

  test('the pieces do not matter, split characters included', () => {
    const text = fc.array(fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll(/[\r\n]/g, '')));
    fc.assert(
      fc.property(text, fc.array(fc.integer({ min: 1, max: 9 })), (lines, sizes) => {
        expect(linesOf(Buffer.from(lines.join('\n')), sizes, 1_000_000)).toEqual(lines.length === 0 ? [''] : lines);
      }),
    );
  });

  test('any bytes give text or the named bound', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.integer({ min: 1, max: 9 })), (bytes, sizes) => {
        try {
          for (const line of linesOf(bytes, sizes, 20)) expect(line).not.toContain('\n');
        } catch (error) {
          expect(error).toBeInstanceOf(BoundPassed);
        }
      }),
    );
  });

  test('a line is refused before it fills the memory, in one piece or in many', () => {
    const splitter = new LineSplitter('test.line', 8);
    expect(splitter.push(Buffer.from('12345678\n1234'))).toEqual(['12345678']);
    expect(() => splitter.push(Buffer.from('56789'))).toThrow('test.line');
    expect(() => new LineSplitter('test.line', 8).push(Buffer.from('123456789\n'))).toThrow('test.line');
  });
});

describe('lines of a body', () => {
  async function* inParts(bytes: Uint8Array, cuts: readonly number[]) {
    let from = 0;
    for (const cut of cuts.map((at) => at % (bytes.length + 1)).toSorted((a, b) => a - b)) {
      yield bytes.subarray(from, cut);
      from = cut;
    }
    yield bytes.subarray(from);
  }

  test('are the same however the bytes are cut, and empty ones are none', async () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\r\n]/g, ''));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat()), fc.boolean(), async (lines, cuts, ended) => {
        const bytes = new TextEncoder().encode(lines.join('\n') + (ended ? '\n' : ''));
        const read = Array.fromAsync(readLines(inParts(bytes, cuts), 'test.line', 10_000));
        expect(await read).toEqual(lines.filter(Boolean));
      }),
    );
  });

  test('one that does not end is refused, not held', async () => {
    async function* endless() {
      for (;;) yield await Promise.resolve(new Uint8Array(100).fill(97));
    }
    const read = Array.fromAsync(readLines(endless(), 'test.line', 1_000));
    expect(await read.catch((error: unknown) => error)).toBeInstanceOf(BoundPassed);
  });
});
