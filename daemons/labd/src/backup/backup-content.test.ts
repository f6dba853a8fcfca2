import { errorOf } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { rowLine, rowsOfBody, tableFile, tableOfFile, wholeBody } from './backup-content.ts';

// oxlint-disable-next-line typescript/require-await -- a body is asynchronous
async function* pieces(text: string, step: number) {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}
const entry = (text: string, step = 10) => ({ name: 'x', size: Buffer.byteLength(text), body: pieces(text, step) });
const rowsOf = (text: string, step?: number) => Array.fromAsync(rowsOfBody(entry(text, step)));

describe('rows', () => {
  test('BK-1: any rows come back, whatever the pieces', async () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
      fc.maxSafeInteger(),
      fc.constant(null),
    );
    const row = fc.dictionary(fc.stringMatching(/^[a-z_]{1,8}$/), value, { maxKeys: 5, noNullPrototype: true });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 10 }), fc.integer({ min: 1, max: 60 }), async (rows, step) => {
        expect(await rowsOf(rows.map(rowLine).join(''), step)).toEqual(rows);
      }),
    );
  });

  test('a row without its end, or that is no JSON, is refused', async () => {
    expect(await errorOf(rowsOf('{"a":1}\n{"b"'))).toBeInstanceOf(SyntaxError);
    expect(await errorOf(rowsOf('{"a":1}\n{"b"\n'))).toBeInstanceOf(SyntaxError);
    expect(await rowsOf('')).toEqual([]);
  });

  test('a row that never ends is refused before it fills the memory', async () => {
    const piece = new Uint8Array(1024 * 1024).fill(65);
    // oxlint-disable-next-line typescript/require-await -- a body is asynchronous
    const body = (async function* endless() {
      for (;;) yield piece;
    })();
    expect(await errorOf(Array.fromAsync(rowsOfBody({ name: 'x', size: 0, body })))).toBeInstanceOf(RangeError);
  });
});

test('names of tables and their files', () => {
  expect(tableFile('audit_log', 12)).toBe('tables/audit_log.000012.jsonl');
  expect(tableOfFile('tables/audit_log.000012.jsonl')).toBe('audit_log');
  for (const other of ['manifest.json', 'tables/x.jsonl', 'tables/a.b.000001.jsonl', 'recordings/a/b.labrec'])
    expect(tableOfFile(other)).toBeUndefined();
});

test('a small file is small', async () => {
  expect(await wholeBody(entry('text'))).toBe('text');
  expect(await errorOf(wholeBody({ ...entry('x'), size: 2 ** 30 }))).toBeInstanceOf(RangeError);
});
