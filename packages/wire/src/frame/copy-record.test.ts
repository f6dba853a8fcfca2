import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { CopyRecordReader, CopyStreamError, encodeCopyRecord, memberParts, type CopyItem } from './copy-record.ts';
import type { CopyRecord } from './open.ts';

const join = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

/** Feeds `stream` in pieces of `sizes` (over and over) and joins neighbouring bytes. */
function readAll(stream: Uint8Array, sizes: readonly number[] = [stream.length || 1]): CopyItem[] {
  const reader = new CopyRecordReader();
  const items: CopyItem[] = [];
  let at = 0;
  for (let round = 0; at < stream.length; round++) {
    const size = sizes[round % sizes.length]!;
    for (const item of reader.feed(stream.subarray(at, at + size))) {
      const last = items.at(-1);
      if (item.kind === 'bytes' && last?.kind === 'bytes') last.bytes = join([last.bytes, item.bytes]);
      else items.push(item);
    }
    at += size;
  }
  expect(reader.atBoundary).toBe(true);
  return items;
}

const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }).filter((part) => {
  return !/[/\0]/.test(part) && part !== '.' && part !== '..' && part.isWellFormed();
});
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
const member = fc.oneof(
  fc.record({ path, bytes: fc.uint8Array({ maxLength: 3000 }) }).map(({ path, bytes }) => ({
    record: { path, type: 'file', size: bytes.length, mode: 0o644 } as CopyRecord,
    bytes,
  })),
  path.map((path) => ({ record: { path, type: 'directory' } as CopyRecord, bytes: new Uint8Array() })),
  path.map((path) => ({ record: { path, type: 'symlink', link: '../x' } as CopyRecord, bytes: new Uint8Array() })),
);

describe('CP-1 the copy stream', () => {
  test('comes out as it went in, in pieces of any size', () => {
    fc.assert(
      fc.property(
        fc.array(member, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 9 }),
        (members, sizes) => {
          const stream = join(members.flatMap(({ record, bytes }) => [encodeCopyRecord(record), bytes]));
          const wanted = members.flatMap(({ record, bytes }): CopyItem[] =>
            bytes.length === 0
              ? [{ kind: 'record', record }]
              : [
                  { kind: 'record', record },
                  { kind: 'bytes', bytes },
                ],
          );
          expect(readAll(stream, sizes)).toEqual(wanted);
        },
      ),
    );
  });

  test('any bytes give items or a CopyStreamError, never anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const stream = bytes.length > 3 ? join([new Uint8Array([0, 0]), bytes.subarray(2)]) : bytes;
        try {
          for (const item of new CopyRecordReader().feed(stream)) expect(['record', 'bytes']).toContain(item.kind);
        } catch (error) {
          expect(error).toBeInstanceOf(CopyStreamError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('a mutated stream gives items or a CopyStreamError', () => {
    const good = join([encodeCopyRecord({ path: 'a/b', type: 'file', size: 3 }), new Uint8Array([1, 2, 3])]);
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.nat(255), (at, value) => {
        const bad = good.slice();
        bad[at] = value;
        try {
          let bytes = 0;
          for (const item of new CopyRecordReader().feed(bad)) if (item.kind === 'bytes') bytes += item.bytes.length;
          expect(bytes).toBeLessThanOrEqual(good.length);
        } catch (error) {
          expect(error).toBeInstanceOf(CopyStreamError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('only the bytes after the offset follow', () => {
    const stream = join([encodeCopyRecord({ path: 'a', type: 'file', size: 5, offset: 3 }), new Uint8Array([4, 5])]);
    expect(readAll(stream)).toHaveLength(2);
  });

  test('a stream that stops inside is told', () => {
    const reader = new CopyRecordReader();
    expect(reader.atBoundary).toBe(true);
    expect([...reader.feed(encodeCopyRecord({ path: 'a', type: 'file', size: 2 }))]).toHaveLength(1);
    expect(reader.atBoundary).toBe(false);
  });

  test.each([
    ['a length above the bound', new Uint8Array([0, 1, 0, 1])],
    ['an empty record', new Uint8Array([0, 0, 0, 0])],
    ['no JSON', new Uint8Array([0, 0, 0, 2, 0x7b, 0x7b])],
    ['bad UTF-8', new Uint8Array([0, 0, 0, 2, 0x22, 0xff])],
    ['a file without size', encodeCopyRecord({ path: 'a', type: 'file' })],
    ['an offset past the end', encodeCopyRecord({ path: 'a', type: 'file', size: 1, offset: 2 })],
    ['a link without target', encodeCopyRecord({ path: 'a', type: 'symlink' })],
    ['a hostile path', encodeCopyRecord({ path: '../a', type: 'directory' })],
  ])('%s is refused', (_, stream) => {
    expect(() => [...new CopyRecordReader().feed(stream)]).toThrow(CopyStreamError);
  });
});

describe('CP-1 members', () => {
  test.each(['/etc/passwd', '..', 'a/../b', 'a/..', './a', 'a//b', 'a/', 'a\0b', 'x'.repeat(256)])(
    '%p is refused',
    (path) => {
      expect(() => memberParts(path)).toThrow(CopyStreamError);
    },
  );
  test('too deep is refused', () => expect(() => memberParts('a/'.repeat(256) + 'a')).toThrow(CopyStreamError));
  test('odd but harmless names pass', () => {
    expect(memberParts('')).toEqual([]);
    expect(memberParts('...')).toEqual(['...']);
    expect(memberParts('a\nb/\u001b[31m')).toEqual(['a\nb', '\u001b[31m']);
  });
  test('accepted parts never climb', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('..', '.', '', 'a', '/', '\0'), { maxLength: 6 }), (parts) => {
        let found: string[];
        try {
          found = memberParts(parts.join('/'));
        } catch {
          return;
        }
        expect(found.every((part) => part === 'a')).toBe(true);
      }),
    );
  });
});
