import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { DeadlineHeap } from './deadline-heap.ts';

const item = (name: number) => ({ name, deadline: Infinity, heapAt: -1 });

test('behaves as a sorted list does, whatever is set, moved and deleted', () => {
  const step = fc.record({
    which: fc.integer({ min: 0, max: 19 }),
    deadline: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.constantFrom(Infinity, -1)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), fc.integer({ min: 0, max: 100 }), (steps, now) => {
      const heap = new DeadlineHeap<ReturnType<typeof item>>();
      const items = Array.from({ length: 20 }, (_, name) => item(name));
      const model = new Map<number, number>();
      for (const { which, deadline } of steps) {
        // -1 stands for a deletion.
        if (deadline === -1) heap.delete(items[which]!);
        else heap.set(items[which]!, deadline);
        if (deadline === -1 || deadline === Infinity) model.delete(which);
        else model.set(which, deadline);
        expect(heap.earliest).toBe(Math.min(Infinity, ...model.values()));
      }
      const due = heap.takeDue(now);
      const expected = [...model].filter(([, deadline]) => deadline <= now);
      expect(due.map(({ deadline }) => deadline)).toEqual(expected.map(([, at]) => at).toSorted((a, b) => a - b));
      expect(new Set(due.map(({ name }) => name))).toEqual(new Set(expected.map(([name]) => name)));
      expect(due.every(({ heapAt }) => heapAt === -1)).toBe(true);
      expect(heap.earliest).toBeGreaterThan(now);
    }),
  );
});
