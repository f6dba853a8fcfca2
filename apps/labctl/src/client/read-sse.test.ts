import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { readSse, SseError, sseLineCharsMax } from './read-sse.ts';

async function* pieces(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
const events = (...texts: string[]) =>
  Array.fromAsync(readSse(pieces(texts.map((text) => new TextEncoder().encode(text)))));

describe('readSse', () => {
  test('events by empty lines, several data lines joined', async () => {
    expect(await events('data: a\n\ndata: b\ndata: c\n\n')).toEqual(['a', 'b\nc']);
  });
  test('comments, other fields and CRLF', async () => {
    expect(await events(': keep-alive\r\n\r\nevent: x\r\nid: 1\r\ndata:a\r', '\n\r\n')).toEqual(['a']);
  });
  test('an event that is left open is given', async () =>
    expect(await events('data: a\n\ndata: [DONE]')).toEqual(['a', '[DONE]']));
  test('only the first blank belongs to the field', async () =>
    expect(await events('data:  a \n\ndata\n\n')).toEqual([' a ', '']));
  test('a line without end is refused', async () => {
    const long = 'x'.repeat(sseLineCharsMax / 2 + 1);
    expect(await errorOf(events(long, long))).toBeInstanceOf(SseError);
  });

  test('where the bytes are cut does not matter', async () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 8 }).map((text) => text.replace(/[\r\n]/g, ''));
    const wanted = fc.array(fc.array(line, { minLength: 1, maxLength: 3 }), { maxLength: 5 });
    const ends = fc.constantFrom('\n', '\r\n', '\r');
    await fc.assert(
      fc.asyncProperty(wanted, ends, fc.array(fc.nat(40), { maxLength: 8 }), async (lists, end, cuts) => {
        const text = lists.map((lines) => `${lines.map((one) => `data: ${one}`).join(end)}${end}${end}`).join('');
        const bytes = new TextEncoder().encode(text);
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
        const parts = at.slice(1).map((to, index) => bytes.subarray(at[index], to));
        expect(await Array.fromAsync(readSse(pieces(parts)))).toEqual(lists.map((lines) => lines.join('\n')));
      }),
      { numRuns: 200 },
    );
  });

  test('any bytes are read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }), async (parts) => {
        for (const event of await Array.fromAsync(readSse(pieces(parts)))) expect(typeof event).toBe('string');
      }),
      { numRuns: 200 },
    );
  });
});
