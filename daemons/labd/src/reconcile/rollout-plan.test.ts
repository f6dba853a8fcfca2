import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { missingMax, type PlannedAgent, planRollout, standingOf } from './rollout-plan.ts';

const agent = (n: number, more: Partial<PlannedAgent> = {}): PlannedAgent => ({
  id: `id-${n}`,
  hostname: `web-${String(n).padStart(3, '0')}`,
  version: '0.1.0',
  pin: null,
  badVersions: [],
  desired: null,
  updateState: 'idle',
  isUp: true,
  lastSeenAt: 2_000,
  ...more,
});
const fleet = (count: number, more: Partial<PlannedAgent> = {}) =>
  Array.from({ length: count }, (_, n) => agent(n, more));
const wanted = { version: '0.2.0', downgrade: false, maxUnavailable: '10%', startedAt: 1_000 };

test.each([
  ['10%', 25, 2],
  ['10%', 5, 1],
  ['100%', 7, 7],
  ['0%', 7, 1],
  ['3', 100, 3],
  ['0', 100, 1],
])('%s of %d agents: %d may be missing', (share, agents, max) => expect(missingMax(share, agents)).toBe(max));

describe('AG-9 where an agent stands', () => {
  test.each([
    [{ version: '0.2.0' }, 'done'],
    [{ version: '0.3.0' }, 'done'],
    [{ version: '0.2.0', isUp: false }, 'done'],
    [{ badVersions: ['0.2.0'], desired: '0.2.0' }, 'bad'],
    [{ pin: '0.1.0' }, 'left'],
    [{ updateState: 'off', desired: '0.2.0' }, 'left'],
    [{ pin: '0.2.0', desired: '0.2.0' }, 'updating'],
    [{ desired: '0.2.0', isUp: false }, 'updating'],
    [{ desired: '0.1.5' }, 'waiting'],
    [{ version: null }, 'waiting'],
    [{ isUp: false }, 'away'],
  ] satisfies [Partial<PlannedAgent>, string][])('%j is %s', (more, standing) =>
    expect(standingOf(agent(1, more), wanted)).toBe(standing as never),
  );

  test('a newer one goes back only when that was said', () =>
    expect(standingOf(agent(1, { version: '0.3.0' }), { ...wanted, downgrade: true })).toBe('waiting'));
});

describe('AG-9 --max-unavailable', () => {
  test('the first by name, as many as may be missing', () => {
    const plan = planRollout({ ...wanted, maxUnavailable: '3' }, fleet(10).toReversed());
    expect(plan).toMatchObject({ state: 'running', next: ['id-0', 'id-1', 'id-2'] });
  });

  test('who was away before it began does not hold it up; who goes then does, whatever it runs', () => {
    const gone = [agent(0, { isUp: false, lastSeenAt: 999 }), agent(1, { isUp: false, lastSeenAt: null })];
    expect(planRollout(wanted, [...gone, agent(2)])).toMatchObject({ next: ['id-2'], counts: { away: 2 } });
    const lost = agent(3, { isUp: false, version: '0.2.0' });
    expect(planRollout(wanted, [...gone, agent(2), lost]).next).toEqual([]);
  });

  test('as many as may be missing, less those that are', () => {
    const agents = [agent(0, { isUp: false }), agent(1, { isUp: false, version: '0.2.0' }), ...fleet(20).slice(2)];
    expect(planRollout({ ...wanted, maxUnavailable: '3' }, agents).next).toEqual(['id-2']);
    expect(planRollout({ ...wanted, maxUnavailable: '2' }, agents).next).toEqual([]);
  });

  test('as many bad ones as may be missing: nobody else tries it', () => {
    const bad = { badVersions: ['0.2.0'], desired: '0.2.0' };
    const agents = [agent(0, bad), ...fleet(20).slice(1)];
    expect(planRollout({ ...wanted, maxUnavailable: '2' }, agents)).toMatchObject({
      state: 'running',
      badAgents: ['web-000'],
    });
    const halted = planRollout({ ...wanted, maxUnavailable: '2' }, [
      agent(0, bad),
      agent(1, bad),
      ...fleet(20).slice(2),
    ]);
    expect(halted).toMatchObject({ state: 'halted', next: [], badAgents: ['web-000', 'web-001'] });
  });

  test('over when all run it, or did and went back', () => {
    const done = [agent(0, { version: '0.2.0' }), agent(1, { badVersions: ['0.2.0'] }), agent(2, { pin: '0.1.0' })];
    expect(planRollout({ ...wanted, maxUnavailable: '3' }, done).state).toBe('done');
    expect(planRollout(wanted, []).state).toBe('done');
  });
});

const isGone = ({ isUp, lastSeenAt }: PlannedAgent) => !isUp && lastSeenAt !== null && lastSeenAt >= wanted.startedAt;
/** A fleet in any state. */
const anyAgents = fc
  .array(
    fc.record({
      version: fc.constantFrom('0.1.0', '0.2.0', '0.3.0', null),
      pin: fc.constantFrom(null, null, null, '0.1.0', '0.2.0'),
      badVersions: fc.constantFrom([] as string[], [], [], ['0.2.0']),
      desired: fc.constantFrom(null, null, '0.2.0', '0.1.0'),
      updateState: fc.constantFrom(null, 'idle', 'off', 'fetching'),
      isUp: fc.boolean(),
      lastSeenAt: fc.constantFrom(null, 500, 1_000, 2_000),
    }),
    { maxLength: 60 },
  )
  .map((list) => list.map((more, n) => agent(n, more)));

test('property: from any state, never more are missing than may be, and each is told once', () => {
  fc.assert(
    fc.property(anyAgents, fc.constantFrom('1', '5', '10%', '50%'), (agents, maxUnavailable) => {
      const plan = planRollout({ ...wanted, maxUnavailable }, agents);
      const missing = agents.filter((one) => isGone(one) || standingOf(one, wanted) === 'updating').length;
      const max = missingMax(maxUnavailable, agents.length);
      expect(plan.next.length).toBeLessThanOrEqual(Math.max(0, max - missing));
      expect(new Set(plan.next).size).toBe(plan.next.length);
      expect(Object.values(plan.counts).reduce((sum, n) => sum + n, 0)).toBe(agents.length);
      for (const id of plan.next)
        expect(
          standingOf(
            agents.find((one) => one.id === id)!,
            wanted,
          ),
        ).toBe('waiting');
    }),
  );
});

test('property: a rollout of a good release comes to its end, whatever the share', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 80 }), fc.constantFrom('1', '7', '10%', '100%'), (count, maxUnavailable) => {
      let agents = fleet(count);
      for (let round = 0; round < count + 1; round++) {
        const { next, state } = planRollout({ ...wanted, maxUnavailable }, agents);
        if (state === 'done') break;
        expect(next.length).toBeGreaterThan(0);
        agents = agents.map((one) => (next.includes(one.id) ? { ...one, desired: '0.2.0', version: '0.2.0' } : one));
      }
      expect(agents.every(({ version }) => version === '0.2.0')).toBe(true);
    }),
  );
});

test('property: a release that is bad everywhere reaches no more agents than may be missing', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 80 }), fc.constantFrom('1', '7', '10%'), (count, maxUnavailable) => {
      let agents = fleet(count);
      let tried = 0;
      for (let round = 0; round < count + 1; round++) {
        const { next } = planRollout({ ...wanted, maxUnavailable }, agents);
        tried += next.length;
        agents = agents.map((one) =>
          next.includes(one.id) ? { ...one, desired: '0.2.0', badVersions: ['0.2.0'] } : one,
        );
      }
      expect(tried).toBeLessThanOrEqual(Math.max(missingMax(maxUnavailable, count), 1));
    }),
  );
});
