import { expect, test } from 'bun:test';
import { lowerPriority, priorities, priorityField, priorityRank, usualPriority } from './priority.ts';

test('four classes, 1 to 4; what is asked for is held to the most that is allowed (RP8, G-20)', () => {
  expect(priorities.map(priorityRank)).toEqual([1, 2, 3, 4]);
  for (const wanted of priorities)
    for (const most of priorities)
      expect(priorityRank(lowerPriority(wanted, most))).toBe(Math.min(priorityRank(wanted), priorityRank(most)));
  expect([usualPriority, priorityField.safeParse('urgent').success]).toEqual(['normal', false]);
});
