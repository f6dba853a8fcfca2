import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { StopScanner, Trimmer } from './stop-scanner.ts';

function scan(stops: string[], pieces: string[]): { out: string; found: boolean } {
  const scanner = new StopScanner(stops);
  let out = '';
  for (const piece of pieces) out += scanner.push(piece);
  return { out: out + scanner.flush(), found: scanner.found };
}

test('nothing of a stop string is sent, however the text is cut', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '\n') });
  fc.assert(
    fc.property(fc.array(letters), fc.array(letters, { maxLength: 3 }), (pieces, stops) => {
      const whole = pieces.join('');
      const at = stops
        .filter((stop) => stop !== '')
        .map((stop) => whole.indexOf(stop))
        .filter((found) => found >= 0);
      const expected = at.length === 0 ? whole : whole.slice(0, Math.min(...at));
      // Of two stop strings the one that is complete first ends the text, so cuts matter only when they overlap.
      const { out, found } = scan(stops, [...whole]);
      expect(found).toBe(at.length > 0);
      if (stops.length === 1) expect(out).toBe(expected);
      expect(whole.startsWith(out)).toBe(true);
      expect(scan(stops, [whole])).toEqual({ out: expected, found: at.length > 0 });
    }),
  );
});

test('text that only looked like a stop string is sent', () => {
  const scanner = new StopScanner(['END']);
  expect([scanner.push('the E'), scanner.push('N'), scanner.push('ough'), scanner.flush()]).toEqual([
    'the ',
    '',
    'ENough',
    '',
  ]);
});

test('the trimmer drops white space at both ends only', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '\n') })), (pieces) => {
      const trimmer = new Trimmer();
      expect(pieces.map((piece) => trimmer.push(piece)).join('')).toBe(pieces.join('').trim());
    }),
  );
});
