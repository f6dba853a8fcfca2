import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { LineCutter, lineBytesMax } from './line-cutter.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const texts = (lines: Iterable<{ stream: number; bytes: Uint8Array }>) =>
  [...lines].map(({ stream, bytes: line }) => [stream, Buffer.from(line).toString('latin1')]);

describe('lines of two streams (FO-3)', () => {
  test('a line waits for its end, each stream for itself', () => {
    const cutter = new LineCutter();
    expect(texts(cutter.push(1, bytes('one\ntw')))).toEqual([[1, 'one']]);
    expect(texts(cutter.push(2, bytes('err\n\nla')))).toEqual([
      [2, 'err'],
      [2, ''],
    ]);
    expect(texts(cutter.push(1, bytes('o\r\n')))).toEqual([[1, 'two\r']]);
    expect(texts(cutter.end())).toEqual([[2, 'la']]);
    expect(texts(cutter.end())).toEqual([]);
  });

  test('a line of 64 KiB is one line, a longer one comes in pieces', () => {
    const cutter = new LineCutter();
    const full = new Uint8Array(lineBytesMax).fill(0x78);
    expect([...cutter.push(1, full)]).toEqual([]);
    const [line] = [...cutter.push(1, bytes('\n'))];
    expect(line!.bytes.length).toBe(lineBytesMax);
    const pieces = [...cutter.push(1, full), ...cutter.push(1, full), ...cutter.push(1, bytes('y\n'))];
    expect(pieces.map((one) => one.bytes.length)).toEqual([lineBytesMax, lineBytesMax, 1]);
  });

  test('both streams together never hold more, and the fuller one gives way', () => {
    const cutter = new LineCutter();
    expect([...cutter.push(1, new Uint8Array(40_000))]).toEqual([]);
    const given = [...cutter.push(2, new Uint8Array(30_000))];
    expect(given.map((one) => [one.stream, one.bytes.length])).toEqual([[1, 40_000]]);
    expect(cutter.length).toBe(30_000);
  });

  test('any bytes in any pieces: the lines are those of the whole, and nothing waits beyond the bound', () => {
    const piece = fc.tuple(
      fc.constantFrom(1 as const, 2 as const),
      fc.string({ unit: fc.constantFrom('a', '\n', 'b') }),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const cutter = new LineCutter();
        const found = { 1: [] as string[], 2: [] as string[] };
        const take = (lines: ReturnType<typeof texts>) => {
          for (const [stream, text] of lines) found[stream as 1 | 2].push(text as string);
        };
        for (const [stream, text] of pieces) take(texts(cutter.push(stream, bytes(text))));
        take(texts(cutter.end()));
        for (const stream of [1, 2] as const) {
          const whole = pieces
            .filter(([one]) => one === stream)
            .map(([, text]) => text)
            .join('');
          const wanted = whole.split('\n');
          if (wanted.at(-1) === '') wanted.pop();
          expect(found[stream]).toEqual(wanted);
        }
      }),
    );
  });
});
