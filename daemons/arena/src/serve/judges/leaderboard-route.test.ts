/** AR15, AR17: what leaderboards show of matches, of votes, and at equal style. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import { leaderboardSchema } from '@labmesh/wire/verification/arena-views';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { FinishedRun } from '../../contract/finished-run.ts';
import { countRun } from '../../ratings/count-run.ts';
import { refusal } from '../arena-refused.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';
import { leaderboardRoute } from './leaderboard-route.ts';
import { tenantHeader } from '@labmesh/wire/verification/arena-run';

const tester = system('leaderboard test');
let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

const read = async (query = '', tenant = 'acme') =>
  leaderboardSchema.parse((await rig.json('GET', `/api/arena/leaderboard${query}`, { tenant })).body);

/** A run in which the wordy model won against the brief one. */
const run = (tenant: string): FinishedRun => {
  const candidates = ['a long answer, as it goes on', 'brief'].map((content, index) => ({
    index,
    model: ['wordy', 'brief'][index],
    final: { answer: { role: 'assistant', content } },
  }));
  const matches = [{ round: 0, a: 0, b: 1, scoreA: 2, scoreB: 1, winner: 'a' }];
  const block = { bracket: 'none', metadata: {} };
  return { tenant, block, candidates, tournament: { matches } } as unknown as FinishedRun;
};

const count = (tenant: string, runs: number) =>
  rig.store.write(tester, async (tx) => {
    for (let at = 0; at < runs; at++) await countRun(tx, run(tenant));
  });

const vote = (tenant: string, votes: number) =>
  rig.store.write(tester, async (tx) => {
    for (let at = 0; at < votes; at++) {
      const place = { tenant, bracket: 'none', task: 'any', player_a: 'brief', player_b: 'wordy' };
      const said = { winner: 'a', confidence_ppm: 1e6, words: '{}', style: '[[5,0,0,0],[28,0,0,0]]' };
      const row = { id: uuidv7(), created_at: 1, run_id: `${tenant}-${at}`, a: 0, b: 1, reviewer: 'k', ...said };
      await tx
        .insertInto('arena_labels')
        .values({ ...row, ...place })
        .execute();
    }
  });

test('matches and votes make the 30 together, and votes are told apart', async () => {
  await count('acme', 25);
  await vote('acme', 4);
  expect(await read()).toMatchObject({ battles: 29, votes: 4, voteWeight: 1, rows: [] });
  await vote('other', 1);
  expect(await read()).toMatchObject({ battles: 29, votes: 4 });
  await count('acme', 5);
  const { battles, votes, rows, leverage, style } = await read();
  expect([battles, votes, style]).toEqual([34, 4, undefined]);
  expect(rows.map((row) => [row.player, row.battles, row.votes])).toEqual([
    ['wordy', 34, 4],
    ['brief', 34, 4],
  ]);
  expect(leverage).toMatchObject({ of: 34 });
});

test('at equal style: strengths of the same battles, what style is worth, and of how many it is known', async () => {
  await count('styled', 29);
  expect(await read('?style=true', 'styled')).toMatchObject({
    battles: 29,
    rows: [],
    style: { of: 29, coefficients: null },
  });
  await count('styled', 31);
  await rig.store.write(tester, (tx) =>
    tx.updateTable('arena_battles').set({ ties: 7 }).where('tenant', '=', 'styled').execute(),
  );
  const [plain, styled] = [await read('', 'styled'), await read('?style=true', 'styled')];
  expect([plain.battles, styled.battles, styled.style?.of]).toEqual([67, 60, 67]);
  expect(styled.leverage).toBeUndefined();
  expect(styled.style?.coefficients).toMatchObject({ headings: 0, lists: 0, bold: 0 });
  // The longer answer always won: length explains a part of it.
  expect(styled.style?.coefficients?.['length']).toBeGreaterThan(0.2);
  expect([plain.rows[0]?.player, styled.rows[0]?.player]).toEqual(['wordy', 'wordy']);
  expect(await read('?style=false', 'styled')).toEqual(plain);
});

test('at weight 0 votes do not count', async () => {
  const off = leaderboardRoute({ store: rig.store, humanWeight: 0 });
  for (const query of ['', '?style=true']) {
    const answer = await off.request(`/api/arena/leaderboard${query}`, { headers: { [tenantHeader]: 'acme' } });
    expect(leaderboardSchema.parse(await answer.json())).toMatchObject({ battles: 30, votes: 0, voteWeight: 0 });
  }
});

test('too many boards that wait for their fit are told as busy, and to come back', async () => {
  const full = {
    battles: async () => ({ counts: [], styled: undefined }),
    rank: () => Promise.reject(new BoundPassed('arena.leaderboard_fits', 128)),
  };
  const route = leaderboardRoute({ store: rig.store, humanWeight: 1 }, full);
  route.onError((error, c) => refusal(c, error, (fault) => expect(fault).toBeUndefined()));
  const answer = await route.request('/api/arena/leaderboard', { headers: { [tenantHeader]: 'acme' } });
  expect([answer.status, await answer.json()]).toEqual([429, expect.objectContaining({ code: 'arena_busy' })]);
  expect(answer.headers.get('retry-after')).not.toBeNull();
});
