import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { bytesSource, GgufError, ggufLimits, readGgufHead } from './gguf.ts';

const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const entry = (key: string, type: number, value: Uint8Array) => Buffer.concat([text(key), u32(type), value]);

function ggufFile(entries: Uint8Array[], options: { version?: number; count?: number | bigint } = {}): Uint8Array {
  const head = [Buffer.from('GGUF'), u32(options.version ?? 3), u64(0), u64(options.count ?? entries.length)];
  return Buffer.concat([...head, ...entries]);
}
const read = (bytes: Uint8Array) => readGgufHead(bytesSource(bytes));

test('reads scalars and strings, and walks over arrays', async () => {
  const words = Buffer.concat([u32(8), u64(2), text('<s>'), text('word')]);
  const nested = Buffer.concat([u32(9), u64(1), u32(0), u64(3), Uint8Array.of(1, 2, 3)]);
  const { metadata, version } = await read(
    ggufFile([
      entry('general.name', 8, text('Tiny')),
      entry('words', 9, words),
      entry('nested', 9, nested),
      entry('on', 7, Uint8Array.of(1)),
      entry('small', 1, Uint8Array.of(255)),
      entry('large', 10, u64(2n ** 60n)),
      entry('context', 4, u32(96)),
    ]),
  );
  expect(version).toBe(3);
  expect(Object.fromEntries(metadata)).toEqual({
    'general.name': 'Tiny',
    on: true,
    small: -1,
    large: 2n ** 60n,
    context: 96,
  });
});

test('stops reading when it has what is wanted', async () => {
  const broken = ggufFile([entry('a', 4, u32(1))], { count: 9 });
  const { metadata } = await readGgufHead(bytesSource(broken), (seen) => seen.has('a'));
  expect(metadata.get('a')).toBe(1);
});

const bad: Array<[name: string, bytes: Uint8Array, says: RegExp]> = [
  ['an empty file', new Uint8Array(0), /0 bytes, too few/],
  ['another format', Buffer.from('PK\u0003\u0004 and then some more bytes of it'), /does not begin with 'GGUF'/],
  ['version 1', ggufFile([], { version: 1 }), /version 1;/],
  ['a big-endian file', ggufFile([], { version: 3 << 24 }), /big-endian/],
  ['too many entries', ggufFile([], { count: 2n ** 63n }), /metadata entries, more than/],
  ['a cut file', ggufFile([entry('a', 4, u32(1))], { count: 2 }), /ends in the middle/],
  ['a long key', ggufFile([Buffer.concat([u64(ggufLimits.keyBytesMax + 1), u32(0)])]), /bytes of a key, more than/],
  ['a long string', ggufFile([entry('a', 8, u64(2n ** 40n))]), /bytes of a string, more than/],
  ['a long array', ggufFile([entry('a', 9, Buffer.concat([u32(4), u64(2n ** 40n)]))]), /items of an array/],
  ['an array past the end', ggufFile([entry('a', 9, Buffer.concat([u32(12), u64(1_000_000)]))]), /ends in the middle/],
  ['an unknown type', ggufFile([entry('a', 99, u32(0))]), /unknown value type 99/],
  ['deep arrays', ggufFile([entry('a', 9, Buffer.concat(Array(9).fill(Buffer.concat([u32(9), u64(1)]))))]), /too deep/],
];
test.each(bad)('refuses %s', async (_name, bytes, says) => {
  const error = await read(bytes).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(GgufError);
  expect((error as Error).message).toMatch(says);
});

test('any bytes give metadata or a GgufError, never anything else', async () => {
  const whole = ggufFile([
    entry('general.name', 8, text('Tiny')),
    entry('words', 9, Buffer.concat([u32(8), u64(2), text('<s>'), text('word')])),
    entry('context', 4, u32(96)),
  ]);
  const mutated = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }).map((edits) => {
    const bytes = Uint8Array.from(whole);
    for (const [at, value] of edits) bytes[at] = value;
    return bytes;
  });
  const cut = fc.nat(whole.length).map((length) => whole.subarray(0, length));
  const tail = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.concat([ggufFile([], { count: 5 }), bytes]));
  const noise = fc.uint8Array({ maxLength: 100 });
  await fc.assert(
    fc.asyncProperty(fc.oneof(mutated, cut, tail, noise), async (bytes) => {
      try {
        await read(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(GgufError);
      }
    }),
    { numRuns: 500 },
  );
});
