import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import { count, join, type Machine, newMachine, newToken, openFleet } from './testing/fleet.ts';

const minute = 60_000;

/** What a token should answer, in as few words as possible. */
class ModelToken {
  readonly maxUses: number;
  readonly endsAt: number;
  readonly usedAt = new Map<number, number>();
  isRevoked = false;

  constructor(maxUses: number, endsAt: number) {
    this.maxUses = maxUses;
    this.endsAt = endsAt;
  }

  join(machine: number, now: number, isKnown: boolean): string {
    const used = this.usedAt.get(machine);
    if (used !== undefined && used + 10 * minute > now) return 'none';
    if (this.isRevoked) return 'TOKEN_REVOKED';
    if (this.usedAt.size >= this.maxUses) return 'TOKEN_USED';
    if (this.endsAt <= now) return 'TOKEN_EXPIRED';
    if (isKnown) return 'SERVER_EXISTS';
    this.usedAt.set(machine, now);
    return 'none';
  }
}

type Step = { kind: 'join'; machine: number } | { kind: 'wait'; minutes: number } | { kind: 'revoke' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('join' as const), machine: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), minutes: fc.constantFrom(1, 9, 10, 21) }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'revoke' as const }) },
);

describe('a token over its life (JT-2, JT-4, JT-5, JT-8)', () => {
  test('any order of joins, repetitions, waiting and revoking agrees with a model; uses never pass the bound', async () => {
    const machines: Machine[] = [];
    for (let n = 0; n < 4; n++) machines.push(await newMachine());
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(step, { maxLength: 12 }), async (maxUses, steps) => {
        await using fleet = await openFleet();
        const { clock } = fleet;
        const reusable = maxUses > 1 ? ({ type: 'reusable', maxUses } as const) : {};
        const text = await newToken(fleet, { ...reusable, ttlMs: 30 * minute });
        const model = new ModelToken(maxUses, clock.wall() + 30 * minute);
        for (const one of steps) {
          if (one.kind === 'wait') await clock.advance(one.minutes * minute);
          if (one.kind === 'revoke') {
            await fleet.tokens.revoke(localRoot, text.slice(0, 12));
            model.isRevoked = true;
          }
          if (one.kind !== 'join') continue;
          const expected = model.join(one.machine, clock.wall(), model.usedAt.has(one.machine));
          expect(await codeOf(join(fleet, text, machines[one.machine] as Machine))).toBe(expected);
        }
        const { uses } = await fleet.tokens.get(localRoot, text.slice(0, 12));
        expect(uses).toBe(model.usedAt.size);
        expect(uses).toBeLessThanOrEqual(maxUses);
        expect(await count(fleet, 'servers')).toBe(uses);
        expect(await count(fleet, 'certificates')).toBe(uses);
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
