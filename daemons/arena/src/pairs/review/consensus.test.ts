import { expect, test } from 'bun:test';
import { consensusLeast, labelWinners } from '@labmesh/wire/verification/labels';
import fc from 'fast-check';
import { consensusOf, type Vote } from './consensus.ts';

const vote = (winner: Vote['winner'], confidence: number): Vote => ({ winner, confidence });

test.each<[string, Vote[], ReturnType<typeof consensusOf>]>([
  ['nobody', [], { winner: null, share: 0, agreed: false, confidence: 0 }],
  ['nobody who is sure', [vote('a', 0)], { winner: null, share: 0, agreed: false, confidence: 0 }],
  ['one', [vote('b', 0.8)], { winner: 'b', share: 1, agreed: true, confidence: 0.8 }],
  [
    'three of four',
    [vote('a', 1), vote('a', 1), vote('a', 1), vote('b', 1)],
    { winner: 'a', share: 0.75, agreed: true, confidence: 0.75 },
  ],
  [
    'two of three: under 0.7',
    [vote('a', 1), vote('a', 1), vote('b', 1)],
    { winner: 'a', share: 0.666667, agreed: false, confidence: 0.666667 },
  ],
  ['a tie of all', [vote('tie', 1)], { winner: 'tie', share: 1, agreed: false, confidence: 1 }],
  ['as many for each', [vote('a', 0.5), vote('b', 0.5)], { winner: null, share: 0, agreed: false, confidence: 0 }],
  ['0.7 is enough', [vote('a', 0.7), vote('b', 0.3)], { winner: 'a', share: 0.7, agreed: true, confidence: 0.49 }],
])('%s', (_, votes, expected) => expect(consensusOf(votes)).toEqual(expected));

test('no order of votes changes it; agreement is never below its bound, figures never out of 0-1', () => {
  const votes = fc.array(
    fc.record({ winner: fc.constantFrom(...labelWinners), confidence: fc.double({ min: 0, max: 1, noNaN: true }) }),
    {
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(votes, (given) => {
      const found = consensusOf(given);
      expect(consensusOf(given.toReversed()).winner).toBe(found.winner);
      for (const figure of [found.share, found.confidence]) {
        expect(figure).toBeGreaterThanOrEqual(0);
        expect(figure).toBeLessThanOrEqual(1);
      }
      if (found.agreed) expect(found.share).toBeGreaterThanOrEqual(consensusLeast);
      if (found.agreed) expect(['a', 'b']).toContain(found.winner ?? '');
    }),
  );
});
