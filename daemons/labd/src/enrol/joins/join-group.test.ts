import { describe, expect, test } from 'bun:test';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { codeOf, localRoot } from '../../login/testing/callers.ts';
import { type JoinOutcome, joinTogether, type JoinTry } from './join-group.ts';
import { count, join, type Machine, newMachine, newToken, openFleet } from '../testing/fleet.ts';

describe('machines that join in one commit', () => {
  test.each(['twice', 'every-statement', 'none'] as const)(
    'each is in or told why, and the refused leave nothing (faults: %s)',
    async (injectFaults) => {
      await using fleet = await openFleet(injectFaults === 'none' ? {} : { injectFaults });
      const rack = await newToken(fleet, { type: 'reusable', maxUses: 50 });
      const service = await newToken(fleet, { kind: 'service', type: 'reusable', maxUses: 50 });
      const single = await newToken(fleet);
      const same = await newMachine();
      const gateway = { hostname: 'gateway' };
      const wrong = `${rack.slice(0, -1)}${rack.endsWith('A') ? 'B' : 'A'}`;
      const tries: [token: string, machine: Machine, expected: string][] = [
        [rack, await newMachine(), 'none'],
        [single, same, 'none'],
        [single, await newMachine(), 'TOKEN_USED'],
        [wrong, await newMachine(), 'TOKEN_INVALID'],
        // Refused after its use was counted.
        [rack, await newMachine({ hostname: same.hostname }), 'SERVER_EXISTS'],
        [service, await newMachine(gateway), 'none'],
        [service, await newMachine(gateway), 'SERVER_EXISTS'],
        [rack, await newMachine(), 'none'],
      ];
      const codes = await Promise.all(tries.map(([token, machine]) => codeOf(join(fleet, token, machine))));
      expect(codes).toEqual(tries.map(([, , expected]) => expected));
      expect(await count(fleet, 'servers')).toBe(3);
      expect(await count(fleet, 'agents')).toBe(3);
      expect(await count(fleet, 'certificates')).toBe(4);
      expect(await count(fleet, 'token_uses')).toBe(4);
      const usesOf = async (token: string) => (await fleet.tokens.get(localRoot, token.slice(0, 12))).uses;
      expect([await usesOf(rack), await usesOf(service), await usesOf(single)]).toEqual([2, 1, 1]);
    },
  );
});

const tryOf = (hostname: string) => ({ request: { hostname } }) as unknown as JoinTry;
const nameOf = (outcome: JoinOutcome) =>
  'joined' in outcome ? outcome.joined.place.hostname : (outcome.refused as Error).message;
const good = ({ request: { hostname } }: JoinTry): JoinOutcome => ({
  joined: { state: 'waiting', place: { agentId: '', serverId: '', hostname } },
});

test('what nobody foresaw in one of them is met by that one alone', async () => {
  const groups: number[] = [];
  const outcomes = await joinTogether(['a', 'b', 'c'].map(tryOf), async (group) => {
    groups.push(group.length);
    if (group.some(({ request }) => request.hostname === 'b')) throw new RangeError('boom');
    return group.map(good);
  });
  expect(outcomes.map(nameOf)).toEqual(['a', 'boom', 'c']);
  expect(groups).toEqual([3, 1, 1, 1]);
});

test('a store that is away is told to all at once', async () => {
  let commits = 0;
  const away = () => {
    commits++;
    return Promise.reject(new FleetError('STORE_UNAVAILABLE'));
  };
  expect(await codeOf(joinTogether(['a', 'b'].map(tryOf), away))).toBe('STORE_UNAVAILABLE');
  expect(commits).toBe(1);
});
