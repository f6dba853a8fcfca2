import { invert, multiply, productOf, reduce } from './field.ts';
import { errorCount } from './parameters.ts';
import { equalMask, wipe } from './words.ts';

/**
 * Locator polynomial of 192 syndromes: 97 coefficients, low first, whose roots are the elements at the errors. With
 * other syndromes than of 96 errors it is some polynomial. Berlekamp-Massey with every choice made by mask.
 */
export function locatorOf(syndromes: Uint16Array): Uint16Array {
  const connection = new Uint16Array(errorCount + 1);
  const previous = new Uint16Array(errorCount + 1);
  const kept = new Uint16Array(errorCount + 1);
  connection[0] = 1;
  previous[1] = 1;
  let previousDiscrepancy = 1;
  let length = 0;
  for (let step = 0; step < syndromes.length; step++) {
    let sum = 0;
    for (let i = 0; i <= Math.min(step, errorCount); i++) {
      sum ^= productOf(connection[i] as number, syndromes[step - i] as number);
    }
    const discrepancy = reduce(sum);
    // When the discrepancy is not 0 and step >= 2 · length.
    const lengthen = ~equalMask(discrepancy, 0) & ~((step - 2 * length) >> 31);

    kept.set(connection);
    const factor = multiply(discrepancy, invert(previousDiscrepancy));
    for (let i = 0; i <= errorCount; i++) {
      connection[i] = (connection[i] as number) ^ multiply(factor, previous[i] as number);
    }
    length ^= (length ^ (step + 1 - length)) & lengthen;
    previousDiscrepancy ^= (previousDiscrepancy ^ discrepancy) & lengthen;
    for (let i = errorCount; i > 0; i--) {
      const shorter = previous[i - 1] as number;
      previous[i] = shorter ^ ((shorter ^ (kept[i - 1] as number)) & lengthen);
    }
    previous[0] = 0;
  }
  const locator = connection.toReversed();
  wipe(connection, previous, kept);
  return locator;
}
