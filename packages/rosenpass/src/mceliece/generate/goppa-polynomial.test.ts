import { expect, test } from 'bun:test';
import { multiply } from '../field.ts';
import { minimalPolynomial } from './goppa-polynomial.ts';

/** Product modulo y^96 + y^10 + y^9 + y^6 + 1, one coefficient after another. */
function product(a: Uint16Array, b: Uint16Array): Uint16Array {
  let sum = new Uint16Array(96);
  for (let i = 95; i >= 0; i--) {
    const top = sum[95]!;
    sum = Uint16Array.from(sum, (_, k) => (k === 0 ? 0 : sum[k - 1]!));
    for (const k of [0, 6, 9, 10]) sum[k]! ^= top;
    b.forEach((value, k) => (sum[k]! ^= multiply(a[i]!, value)));
  }
  return sum;
}
const randomElement = () => crypto.getRandomValues(new Uint16Array(96)).map((value) => value & 0x1fff);

test('a random element is a root of its minimal polynomial, which is monic of degree 96', () => {
  for (let run = 0; run < 3; run++) {
    const f = randomElement();
    const g = minimalPolynomial(f)!;
    expect([g.length, g[96]]).toEqual([97, 1]);
    let value: Uint16Array = new Uint16Array(96);
    for (const coefficient of g.toReversed()) {
      value = product(value, f);
      value[0]! ^= coefficient;
    }
    expect(value.every((part) => part === 0)).toBe(true);
  }
});

test('y has the modulus for its minimal polynomial', () => {
  const y = new Uint16Array(96);
  y[1] = 1;
  const terms = [...minimalPolynomial(y)!].flatMap((coefficient, i) => (coefficient === 0 ? [] : [[i, coefficient]]));
  expect(terms).toEqual([0, 6, 9, 10, 96].map((i) => [i, 1]));
});

test('elements of a smaller field have none of degree 96', () => {
  const constant = new Uint16Array(96);
  expect(minimalPolynomial(constant)).toBeUndefined();
  constant[0] = 1234;
  expect(minimalPolynomial(constant)).toBeUndefined();
});
