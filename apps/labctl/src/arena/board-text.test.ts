import { type Leaderboard, leaderboardSchema } from '@labmesh/wire/verification/arena-views';
import { expect, test } from 'bun:test';
import { boardText } from './board-text.ts';

const row = { rank: 1, player: 'big', rating: 1050.4, lower: 1001.2, upper: 1099.9, battles: 40, votes: 3 };
const board = (changes: Partial<Leaderboard> = {}): Leaderboard =>
  leaderboardSchema.parse({
    bracket: 'none',
    task: 'any',
    battles: 40,
    votes: 3,
    voteWeight: 1,
    battlesNeeded: 30,
    rows: [row, { ...row, player: 'small', rating: 949.6, lower: 900.1, upper: 998.8 }],
    ...changes,
  });
const text = (changes: Partial<Leaderboard> = {}) => boardText(board(changes), 120);

test('ranks, and how many battles are votes of people', () => {
  const [head, first] = text({ leverage: { battles: 2, of: 40, overtaker: 'small' } }).split('\n');
  expect(head?.split(/ {2,}/)).toEqual(['RANK', 'MODEL', 'RATING', '95 %', 'BATTLES', 'VOTES']);
  expect(first?.trim().split(/ {2,}/)).toEqual(['1', 'big', '1050', '1001 … 1100', '40', '3']);
  expect(text({ leverage: { battles: 2, of: 40, overtaker: 'sm\u001b[2Jall' } })).not.toContain('\u001b');
  expect(text({ leverage: { battles: 2, of: 40, overtaker: 'small' } })).toContain(
    'without 2 of 40 battles small would be first',
  );
  expect(text({ leverage: null })).not.toContain('without');
});

test('another weight than 1 is told; an arena of before knows no votes', () => {
  expect(text()).not.toContain('weighs');
  expect(text({ voteWeight: 0.5 })).toContain('a vote of a person weighs 0.5 beside a match');
  expect(text({ votes: 0, voteWeight: 0 })).not.toContain('weighs');
  const { votes: _, voteWeight: __, ...old } = board({ rows: [] });
  expect(leaderboardSchema.parse(old)).toMatchObject({ votes: 0, voteWeight: 0 });
});

test('at equal style: what it is worth, and over how many battles', () => {
  const coefficients = { length: 0.4567, headings: -0.001 };
  const whole = text({ style: { of: 40, coefficients } });
  expect(whole).toContain('style alone is worth, in logits per standard deviation: length 0.46, headings -0.00');
  expect(whole).not.toContain('is known');
  expect(text({ style: { of: 55, coefficients } })).toContain('over the 40 of 55 battles whose style is known');
});

test('few battles make no leaderboard', () => {
  expect(text({ rows: [], battles: 12 })).toBe('no leaderboard yet: 12 battles (3 votes of people) of at least 30\n');
  expect(text({ rows: [], battles: 9, votes: 0, style: { of: 12, coefficients: null } })).toBe(
    'no leaderboard yet: 9 battles with known style of at least 30\n',
  );
});
