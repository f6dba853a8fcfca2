import { describe, expect, test } from 'bun:test';
import { codeOf, localRoot } from '../login/testing/callers.ts';
import { postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { count, join, newMachine, newToken, openFleet } from './testing/fleet.ts';

const missing = postgresAvailable();

describe('enrolment on PostgreSQL (JT-4, JT-5)', () => {
  test.skipIf(missing !== undefined)(
    '50 racing clients on three replicas, one one-time token: 1 wins, 49 TOKEN_USED (needs PostgreSQL)',
    async () => {
      await using postgres = await startPostgres();
      await using fleet = await openFleet({ url: postgres.url });
      const replicas = [fleet, await fleet.replica(), await fleet.replica()];
      const token = await newToken(fleet);
      const machines = await Promise.all(Array.from({ length: 50 }, () => newMachine()));
      const codes = await Promise.all(
        machines.map((machine, n) => codeOf(join(replicas[n % 3] ?? fleet, token, machine))),
      );
      expect(codes.filter((code) => code === 'none')).toHaveLength(1);
      expect(codes.filter((code) => code === 'TOKEN_USED')).toHaveLength(49);
      expect([await count(fleet, 'servers'), await count(fleet, 'token_uses')]).toEqual([1, 1]);
    },
    60_000,
  );

  test.skipIf(missing !== undefined)(
    'a rack of 30 with one reusable token on three replicas: all in, each once, repetitions the same (needs PostgreSQL)',
    async () => {
      await using postgres = await startPostgres();
      await using fleet = await openFleet({ url: postgres.url });
      const replicas = [fleet, await fleet.replica(), await fleet.replica()];
      const token = await newToken(fleet, { type: 'reusable' });
      const machines = await Promise.all(Array.from({ length: 30 }, () => newMachine()));
      const all = (shift: number) =>
        Promise.all(machines.map((machine, n) => join(replicas[(n + shift) % 3] ?? fleet, token, machine)));
      const first = await all(0);
      const again = await all(1);
      expect(again.map(({ answer }) => answer)).toEqual(first.map(({ answer }) => answer));
      expect([await count(fleet, 'servers'), await count(fleet, 'certificates')]).toEqual([30, 30]);
      expect((await fleet.tokens.get(localRoot, token.slice(0, 12))).uses).toBe(30);
    },
    60_000,
  );
});
