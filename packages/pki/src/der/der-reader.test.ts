import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { DerError, DerReader, derBytesMax, tag } from './der-reader.ts';
import { element, objectId, positiveInteger, sequence, time } from './write-der.ts';

const read = (hex: string) => DerReader.of(Buffer.from(hex, 'hex'));

test('what the writer writes, the reader reads', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 159n }),
      fc.tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 0, max: 39 }), fc.array(fc.nat(), { maxLength: 6 })),
      fc.integer({ min: Date.UTC(1951), max: Date.UTC(2090) }),
      fc.uint8Array({ maxLength: 70_000 }),
      (number, [first, second, arcs], at, bytes) => {
        const oid = [first, second, ...arcs].join('.');
        const whole = sequence(positiveInteger(number.toString(16)), objectId(oid), time(at));
        const reader = DerReader.of(whole).read(tag.sequence);
        expect(BigInt(`0x${reader.positiveHex()}`)).toBe(number);
        expect(reader.oid()).toBe(oid);
        expect(reader.time()).toBe(Math.floor(at / 1_000) * 1_000);
        reader.end();
        const octets = element(tag.octetString, bytes);
        if (octets.length > derBytesMax) expect(() => DerReader.of(octets)).toThrow(DerError);
        else expect(Buffer.compare(DerReader.of(octets).read(tag.octetString).content, bytes)).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
});

test.each([
  ['an empty text', ''],
  ['a cut length', '30'],
  ['a cut content', '300201'],
  ['the indefinite form', '30800000'],
  ['a length that is too long', '308401000000'],
  ['a long form for a short length', '3081050000000000'],
  ['a length with a leading zero', '308200050000000000'],
])('refuses %s', (_, hex) => {
  expect(() => read(hex).read(tag.sequence)).toThrow(DerError);
});

test.each([
  ['a negative integer', '0201ff', (r: DerReader) => r.positiveHex()],
  ['an empty integer', '0200', (r: DerReader) => r.positiveHex()],
  ['an integer padded with zeros', '02020001', (r: DerReader) => r.positiveHex()],
  ['an integer of 22 bytes', `0216${'11'.repeat(22)}`, (r: DerReader) => r.positiveHex()],
  ['a large small integer', '020500ffffffff00', (r: DerReader) => r.smallInteger()],
  ['a boolean of 1', '010101', (r: DerReader) => r.boolean()],
  ['unused bits in a key', '03020780', (r: DerReader) => r.bitString()],
  ['an object identifier cut short', '060180', (r: DerReader) => r.oid()],
  ['an arc with a leading 0x80', '06032a8001', (r: DerReader) => r.oid()],
  ['an arc beyond 32 bits', '06072affffffffff7f', (r: DerReader) => r.oid()],
  ['a 31 February', `170d${Buffer.from('260231000000Z').toString('hex')}`, (r: DerReader) => r.time()],
  ['a time with an offset', `1711${Buffer.from('260201000000+0100').toString('hex')}`, (r: DerReader) => r.time()],
  ['an hour 24', `170d${Buffer.from('260201240000Z').toString('hex')}`, (r: DerReader) => r.time()],
] as const)('refuses %s', (_, hex, how) => {
  expect(() => how(read(hex))).toThrow(DerError);
});

test('says where an element begins and ends, and what is left', () => {
  const reader = read('300302010a0500').read(tag.sequence);
  expect(Buffer.from(reader.whole).toString('hex')).toBe('300302010a');
  expect(reader.nextTag).toBe(tag.integer);
  expect(reader.optional(tag.boolean)).toBeUndefined();
  expect(() => reader.end()).toThrow(DerError);
  expect(reader.smallInteger()).toBe(10);
  expect(reader.nextTag).toBe(-1);
  reader.end();
});
