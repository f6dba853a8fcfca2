import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { ChunkedDecoder, chunkFrameBytesMax, encodeChunkInto, lastChunk } from './chunked.ts';

function encodeChunk(payload: Uint8Array): Buffer {
  const target = Buffer.alloc(payload.length + chunkFrameBytesMax);
  return target.subarray(0, encodeChunkInto(target, payload));
}

function decodeAll(pieces: Uint8Array[]): { body: Buffer; decoder: ChunkedDecoder; left: number } {
  const decoder = new ChunkedDecoder();
  const out: Buffer[] = [];
  let left = 0;
  for (const piece of pieces) {
    const { payload, used } = decoder.decode(piece);
    out.push(Buffer.from(payload));
    left += piece.length - used;
  }
  return { body: Buffer.concat(out), decoder, left };
}

test('what was encoded comes back, however it is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 17 }),
      (bodies, size) => {
        const encoded = Buffer.concat([...bodies.map(encodeChunk), Buffer.from(lastChunk)]);
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < encoded.length; at += size) pieces.push(Uint8Array.from(encoded.subarray(at, at + size)));
        const { body, decoder, left } = decodeAll(pieces);
        expect(body).toEqual(Buffer.concat(bodies));
        expect(decoder.done).toBe(true);
        expect(left).toBe(0);
      },
    ),
  );
});

test('a read that is one chunk is told from all others', () => {
  const single = (text: string): string | undefined => {
    const start = new ChunkedDecoder().singleStart(Buffer.from(text));
    return start === 0 ? undefined : text.slice(start, -2);
  };
  expect(single('3\r\nabc\r\n')).toBe('abc');
  expect(single(`${(300).toString(16)}\r\n${'x'.repeat(300)}\r\n`)).toBe('x'.repeat(300));
  for (const text of [
    '',
    '0\r\n\r\n',
    '3\r\nabc\r',
    '3\r\nabc\r\n0\r\n\r\n',
    '3;a\r\nabc\r\n',
    '3\nabcd\r\n',
    '2\r\nabc\r\n',
    'g\r\nabc\r\n',
    '000000003\r\nabc\r\n',
  ]) {
    expect(single(text)).toBeUndefined();
  }
  const decoder = new ChunkedDecoder();
  decoder.decode(Buffer.from('5\r\nab'));
  expect(decoder.singleStart(Buffer.from('3\r\nabc\r\n'))).toBe(0);
});

test('extensions and trailers are passed over, bytes after the end are left', () => {
  const { body, decoder, left } = decodeAll([Buffer.from('3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\nrest')]);
  expect(body.toString()).toBe('abc');
  expect(decoder.done).toBe(true);
  expect(left).toBe(4);
});

test('bytes of any kind end in data or a named problem, never in a throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const { decoder, body } = decodeAll([bytes.slice()]);
      expect(body.length).toBeLessThanOrEqual(bytes.length);
      if (decoder.problem !== undefined) expect(decoder.done).toBe(false);
    }),
  );
});

for (const [name, text, problem] of [
  ['an endless extension', `1;${'a'.repeat(300)}\r\n`, /extension/],
  ['an endless trailer', `0\r\n${'a: b\r\n'.repeat(2000)}`, /trailer/],
  ['a bare LF after the size', '3\nabc', /hexadecimal/],
  ['a bare LF in the trailer', '0\r\na: b\n\r\n', /trailer/],
] as const) {
  test(`${name} is a problem`, () => expect(decodeAll([Buffer.from(text)]).decoder.problem).toMatch(problem));
}
