import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { bradleyTerry } from '../bradley-terry.ts';
import { seededRandom } from '../seeded-random.ts';
import { type Style, styleControlled, type StyledBattle, styleOf } from './style-control.ts';

test('length and markdown outside code', () => {
  const text = '# One\n## Two\n\n- a\n* b\n12. c\n**bold** and __bold__\n```sh\n# not a heading\n- no\n```\n  1) d\n';
  expect(styleOf(text)).toEqual([text.length, 2, 4, 2]);
  expect(styleOf('')).toEqual([0, 0, 0, 0]);
  expect(styleOf('a * b ** c #x -y 1.5')).toEqual([20, 0, 0, 0]);
});

test('counts any text, fast', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(styleOf(text).every((count) => Number.isInteger(count) && count >= 0)).toBe(true);
    }),
  );
  for (const piece of ['**', '__a', ' ', '\n', '# ', '`', '- ', '1']) {
    expect(styleOf(piece.repeat(100_000))[0]).toBe(100_000 * piece.length);
  }
});

/** Two players of one strength, of which one writes long; judges like length. */
function longWinded(matches: number, strength: number, liking: number): StyledBattle[] {
  const random = seededRandom(6);
  return Array.from({ length: matches }, () => {
    const [long, short] = [500 + 500 * random(), 100 + 500 * random()];
    const more = (long - short) / (long + short);
    const score = random() < 1 / (1 + Math.exp(-(strength + liking * more))) ? 1 : 0;
    const [styleA, styleB]: Style[] = [
      [long, 0, 0, 0],
      [short, 0, 0, 0],
    ];
    return { a: 0, b: 1, score, styleA: styleA as Style, styleB: styleB as Style };
  });
}

test('what length explains is taken from nobody’s strength', () => {
  const battles = longWinded(20_000, 0, 2);
  const won = battles.filter(({ score }) => score === 1).length;
  const plain = bradleyTerry(2, [{ a: 0, b: 1, winsA: won, winsB: battles.length - won, ties: 0 }]).logits;
  expect((plain[0] ?? 0) - (plain[1] ?? 0)).toBeGreaterThan(0.5);
  const { logits, coefficients } = styleControlled(2, battles);
  expect(Math.abs((logits[0] ?? 9) - (logits[1] ?? 0))).toBeLessThan(0.1);
  expect(coefficients.length).toBeGreaterThan(0.3);
  expect(coefficients).toMatchObject({ headings: 0, lists: 0, bold: 0 });
});

test('where style is no matter it is the fit without it', () => {
  const battles = longWinded(4000, 0.8, 0);
  const { logits, coefficients } = styleControlled(2, battles);
  expect(Math.abs((logits[0] ?? 0) - (logits[1] ?? 0) - 0.8)).toBeLessThan(0.15);
  expect(Math.abs(coefficients.length)).toBeLessThan(0.15);
  const same: StyledBattle[] = [3, 1, 0.5].flatMap((score, at) =>
    Array.from({ length: 5 + at }, (): StyledBattle => {
      return { a: at % 2, b: 2, score: Math.min(1, score), styleA: [9, 1, 1, 1], styleB: [9, 1, 1, 1] };
    }),
  );
  const plain = bradleyTerry(3, [
    { a: 0, b: 2, winsA: 5, winsB: 0, ties: 7 },
    { a: 1, b: 2, winsA: 6, winsB: 0, ties: 0 },
  ]).logits;
  for (const [player, logit] of styleControlled(3, same).logits.entries())
    expect(logit).toBeCloseTo(plain[player] ?? 9, 5);
  expect(styleControlled(0, [])).toMatchObject({ logits: [] });
});

test('more battles than fit are refused', () => {
  const one: StyledBattle = { a: 0, b: 1, score: 1, styleA: [1, 0, 0, 0], styleB: [1, 0, 0, 0] };
  expect(() =>
    styleControlled(
      2,
      Array.from({ length: 100_001 }, () => one),
    ),
  ).toThrow(RangeError);
});
