import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { AuditQueue, type Ticket } from './audit-queue.ts';

let order = 0;
const ticket = (must: boolean): Ticket => ({
  order: ++order,
  at: 0,
  queuedAt: 0,
  entry: {} as Ticket['entry'],
  inFlight: false,
  ...(must && { settle: { resolve: () => {}, reject: () => {} } }),
});

test('AU-4: rows come out in the order they came, whichever lane', () => {
  const queue = new AuditQueue(10);
  const tickets = [true, false, false, true, false].map(ticket);
  for (const one of tickets) queue.push(one);
  expect(queue.first(3)).toEqual(tickets.slice(0, 3));
  expect(queue.first(100)).toEqual(tickets);
  expect([queue.size, queue.waiting, queue.oldest(), queue.oldest(true)]).toEqual([5, 2, tickets[0], tickets[0]]);
  queue.remove(tickets[0]!);
  expect([queue.oldest(), queue.oldest(true)]).toEqual([tickets[1], tickets[3]]);
});

test('AU-4: a full queue gives the place of a row without a caller, unless that is under way', () => {
  const queue = new AuditQueue(2);
  const [a, b] = [ticket(false), ticket(false)];
  a.inFlight = true;
  expect([queue.push(a), queue.push(b), queue.push(ticket(false))]).toEqual([true, true, false]);
  const must = ticket(true);
  expect(queue.push(must)).toBe(true);
  expect(queue.push(ticket(true))).toBe(false);
  expect(queue.first(5)).toEqual([a, must]);
  expect(queue.takeLost()).toBe(2);
  expect(queue.takeLost()).toBe(0);
  queue.lose();
  queue.force(ticket(false));
  expect([queue.size, queue.takeLost()]).toEqual([3, 1]);
});

test('nothing is lost uncounted, and the bound holds', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('must', 'may', 'commit')), fc.integer({ min: 1, max: 6 }), (steps, max) => {
      const queue = new AuditQueue(max);
      let [pushed, refused, committed, lost] = [0, 0, 0, 0];
      for (const step of steps) {
        if (step === 'commit') {
          for (const one of queue.first(2)) {
            queue.remove(one);
            committed++;
          }
        } else {
          pushed++;
          if (!queue.push(ticket(step === 'must')) && step === 'must') refused++;
        }
        lost += queue.takeLost();
        expect(queue.size).toBeLessThanOrEqual(max);
      }
      expect(pushed).toBe(committed + refused + lost + queue.size);
    }),
    { numRuns: 500 },
  );
});
