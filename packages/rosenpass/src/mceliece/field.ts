/**
 * GF(2^13) by z^13 + z^4 + z^3 + z + 1; bit i of an element is the coefficient of z^i. Masks and multiplications by
 * single bits only: no branch and no table depends on a value.
 */

/** Product of two polynomials below degree 13, not reduced: 25 bits. Products may be XORed before `reduce`. */
export function productOf(a: number, b: number): number {
  return (
    Math.imul(a, b & 0x1) ^
    Math.imul(a, b & 0x2) ^
    Math.imul(a, b & 0x4) ^
    Math.imul(a, b & 0x8) ^
    Math.imul(a, b & 0x10) ^
    Math.imul(a, b & 0x20) ^
    Math.imul(a, b & 0x40) ^
    Math.imul(a, b & 0x80) ^
    Math.imul(a, b & 0x100) ^
    Math.imul(a, b & 0x200) ^
    Math.imul(a, b & 0x400) ^
    Math.imul(a, b & 0x800) ^
    Math.imul(a, b & 0x1000)
  );
}

/** The element that 25 bits stand for. The first fold reaches bit 15, the second ends it. */
export function reduce(product: number): number {
  const high = product >>> 13;
  const folded = (product & 0x1fff) ^ high ^ (high << 1) ^ (high << 3) ^ (high << 4);
  const rest = folded >>> 13;
  return (folded & 0x1fff) ^ rest ^ (rest << 1) ^ (rest << 3) ^ (rest << 4);
}

export function multiply(a: number, b: number): number {
  return reduce(productOf(a, b));
}

/** a^8190: the inverse; 0 for 0. */
export function invert(a: number): number {
  let power = a;
  for (let bit = 0; bit < 11; bit++) power = multiply(multiply(power, power), a);
  return multiply(power, power);
}
