import { expect, test } from 'bun:test';
import { officialVectors } from '../testdata/official-vectors.ts';
import { RosenpassKeyInvalid } from './rosenpass-key-invalid.ts';
import { joinSecretKey, secretKeyBytes, splitSecretKey } from './secret-key.ts';

const r4 = new Uint8Array(officialVectors[0]!);
const seed = r4.slice(0, 32);

test('both layouts hold the same parts, in another order', () => {
  const parts = splitSecretKey(r4);
  expect([parts.s.length, parts.g.length, parts.controlBits.length]).toEqual([576, 192, 12_800]);
  const pc = joinSecretKey(parts, 'pc', seed);
  expect(pc.length).toBe(13_568);
  expect(splitSecretKey(pc)).toEqual(parts);
  expect(pc.subarray(0, 576)).toEqual(r4.subarray(13_608 - 576));
  expect(joinSecretKey(splitSecretKey(pc), 'r4', seed)).toEqual(r4);
});

test('any other length is refused with both lengths named', () => {
  for (const length of [0, 1, 13_567, 13_569, 13_607, 13_609, 524_160]) {
    expect(() => splitSecretKey(new Uint8Array(length))).toThrow(
      new RosenpassKeyInvalid('secret key', length, secretKeyBytes.pc, secretKeyBytes.r4),
    );
  }
  expect(new RosenpassKeyInvalid('secret key', 3, 13_568, 13_608)).toMatchObject({
    code: 'ROSENPASS_KEY_INVALID',
    message: 'secret key: found 3 bytes, expected 13568 or 13608',
  });
});
