import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { addressBytes } from '../dataplane/ip-address.ts';
import { addressText } from './address-text.ts';
import { messageBytesMax, MessageWriter } from './message-writer.ts';
import { attributeOf, numberAt, readAttributes, readMessages, signedAt, textOf } from './read-messages.ts';

describe('messages', () => {
  test('what is written is what is read', () => {
    const data = fc.uint8Array({ maxLength: 200 });
    const attribute = fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), data });
    const message = fc.record({
      type: fc.nat(0xffff),
      flags: fc.nat(0xffff),
      seq: fc.nat(),
      attributes: fc.array(attribute, { maxLength: 8 }),
    });
    const property = fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      const writer = new MessageWriter();
      for (const { type, flags, seq, attributes } of messages) {
        writer.message(type, flags, seq, () => {
          for (const { type, data } of attributes) writer.attribute(type, data);
        });
      }
      const found = readMessages(writer.finish());
      expect(found.map(({ payload, ...rest }) => ({ ...rest, attributes: readAttributes(payload) }))).toEqual(messages);
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('any bytes are read without a throw, and nothing lies outside of them', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(64), (bytes, offset) => {
      for (const { payload } of readMessages(bytes)) {
        for (const { data } of readAttributes(payload, offset)) expect(data.buffer).toBe(bytes.buffer);
      }
      for (const { data } of readAttributes(bytes, offset)) textOf(data);
    });
    fc.assert(property, { numRuns: 2_000 });
  });

  test('lengths that lie end the reading', () => {
    const writer = new MessageWriter();
    writer.message(1, 0, 1, () => writer.attributeU32(3, 7));
    const whole = writer.finish().slice();
    expect(readMessages(whole)).toHaveLength(1);
    expect(readMessages(whole.subarray(0, -1))).toEqual([]);
    whole[0] = 15;
    expect(readMessages(whole)).toEqual([]);
    expect(readAttributes(Uint8Array.of(3, 0, 1, 0))).toEqual([]);
    expect(readAttributes(Uint8Array.of(9, 0, 1, 0, 1, 2, 3, 4))).toEqual([]);
  });
});

describe('the writer', () => {
  test('is bounded and can be wiped', () => {
    const writer = new MessageWriter();
    writer.attribute(1, new Uint8Array(60_000).fill(7));
    expect(() => writer.attribute(1, new Uint8Array(10_000))).toThrow(RangeError);
    const written = writer.finish();
    writer.wipe();
    expect(written.every((byte) => byte === 0)).toBe(true);
    expect(writer.length).toBe(0);
    expect(() => writer.bytes(new Uint8Array(messageBytesMax + 1))).toThrow('too long');
    writer.wipe();
    expect(() => writer.nest(1, () => writer.bytes(new Uint8Array(0xfffc)))).toThrow('attribute too long');
  });

  test('flags of an attribute’s type are taken off', () => {
    const writer = new MessageWriter();
    writer.nest(18, () => writer.attributeText(1, 'tun'));
    const [nested] = readAttributes(writer.finish());
    expect(nested?.type).toBe(18);
    expect(textOf(attributeOf(readAttributes(nested?.data ?? new Uint8Array()), 1))).toBe('tun');
  });
});

test('numbers: signed, unsigned, and zero where the bytes end', () => {
  const bytes = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
  expect([numberAt(bytes, 0, 1), numberAt(bytes, 0, 2), numberAt(bytes, 0, 4)]).toEqual([255, 65_535, 4_294_967_295]);
  expect([signedAt(bytes, 0, 4), signedAt(bytes, 0, 8)]).toEqual([-1, -1]);
  expect([numberAt(bytes, 5, 4), signedAt(bytes, 5, 4), numberAt(undefined, 0, 1)]).toEqual([0, 0, 0]);
});

test('addresses as text', () => {
  const known = ['10.90.0.1', '::', '::1', 'fd00::2', 'fe80::1:0:0:1', '1:2:3:4:5:6:7:8', '1::4:0:0:7:8', '0:1::'];
  for (const text of known) expect(addressText(addressBytes(text))).toBe(text === '0:1::' ? '0:1::' : text);
  expect(() => addressText(new Uint8Array(5))).toThrow(RangeError);
  const property = fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    expect(addressBytes(addressText(bytes))).toEqual(bytes);
  });
  fc.assert(property, { numRuns: 500 });
});
