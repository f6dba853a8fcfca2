import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { BoundedWork } from './bounded-work.ts';

const refusal = (work: () => unknown): FleetError => {
  try {
    work();
  } catch (error) {
    if (error instanceof FleetError) return error;
  }
  throw new Error('it was not refused');
};

test('each bound refuses with its name', () => {
  const work = new BoundedWork({ perUserMax: 2, perServerMax: 3, perReplicaMax: 4 });
  work.enter({ user: 'user:a', server: 's1' });
  work.enter({ user: 'user:a', server: 's1' });
  expect(refusal(() => work.enter({ user: 'user:a', server: 's2' }))).toMatchObject({
    code: 'RATE_LIMITED',
    message: '2 commands run at once already (exec.per_user_max)',
  });
  work.enter({ user: 'user:b', server: 's1' });
  expect(refusal(() => work.enter({ user: 'user:c', server: 's1' })).message).toContain('exec.per_server_max');
  work.enter({ user: 'user:b', server: 's2' });
  expect(refusal(() => work.enter({ user: 'user:c', server: 's3' })).message).toContain('exec.per_replica_max');
});

test('a place comes back once, however often it is given back', () => {
  const work = new BoundedWork({ perUserMax: 1 });
  const first = work.enter({ user: 'user:a', server: 's' });
  first[Symbol.dispose]();
  const second = work.enter({ user: 'user:a', server: 's' });
  first[Symbol.dispose]();
  refusal(() => work.enter({ user: 'user:a', server: 's' }));
  second[Symbol.dispose]();
  expect(work.running).toBe(0);
});

test('after any coming and going nothing is left over and no bound was passed', () => {
  const step = fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c'), fc.constantFrom('x', 'y'));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const work = new BoundedWork({ perUserMax: 3, perServerMax: 4, perReplicaMax: 6 });
      const held: Disposable[] = [];
      for (const [enter, user, server] of steps) {
        if (!enter) held.shift()?.[Symbol.dispose]();
        else
          try {
            held.push(work.enter({ user, server }));
          } catch {}
        expect(work.running).toBe(held.length);
        expect(work.running).toBeLessThanOrEqual(6);
      }
      for (const each of held) each[Symbol.dispose]();
      expect(work.running).toBe(0);
      expect(() => work.enter({ user: 'a', server: 'x' })).not.toThrow();
    }),
  );
});
