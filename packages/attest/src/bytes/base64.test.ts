import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { refusalOf } from '../testing/refusal.ts';
import { fromAnyBase64, fromBase64, toBase64 } from './base64.ts';
import { concatBytes, equalBytes, textOf, utf8 } from './bytes.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((one) => new Uint8Array(one));

describe('base64', () => {
  test('goes there and back', () => {
    fc.assert(
      fc.property(bytes, (one) => {
        const text = toBase64(one);
        expect(fromBase64(text)).toEqual(one);
        const urlSafe = text.replaceAll('+', '-').replaceAll('/', '_');
        for (const other of [text, urlSafe, urlSafe.replaceAll('=', '')]) expect(fromAnyBase64(other)).toEqual(one);
      }),
    );
  });

  test.each(['aGk', 'aGl=', 'aGk= ', ' aGk=', 'aG k=', 'aGk=\n', 'aGk==', '=', 'a', '-_-_', 'aGk=aGk=', 'é'])(
    'another form is refused: %j',
    async (text) => expect(await refusalOf(() => fromBase64(text))).toBe('BASE64_BAD'),
  );

  test('DSSE takes either alphabet, and not both in one text', async () => {
    expect(fromAnyBase64('-_-_')).toEqual(fromBase64('+/+/'));
    for (const text of ['-_+/', 'aGl', 'a', 'aG\nk']) {
      expect(await refusalOf(() => fromAnyBase64(text))).toBe('BASE64_BAD');
    }
  });

  test('no two texts are one value', async () => {
    const text = fc.string({ unit: fc.constantFrom(...'AQgw+/=Zz9\n '), maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(text, async (one) => {
        if ((await refusalOf(() => fromBase64(one))) === undefined) expect(toBase64(fromBase64(one))).toBe(one);
      }),
      { numRuns: 2000 },
    );
  });
});

test('bytes', async () => {
  expect(concatBytes(utf8('a'), new Uint8Array(0), utf8('bc'))).toEqual(utf8('abc'));
  expect([
    equalBytes(utf8('ab'), utf8('ab')),
    equalBytes(utf8('ab'), utf8('ac')),
    equalBytes(utf8('a'), utf8('ab')),
  ]).toEqual([true, false, false]);
  expect(await refusalOf(() => textOf(Uint8Array.of(0xff), 'NOTE_BAD'))).toBe('NOTE_BAD');
});
