/** AR17: a label counts on the leaderboard of its run, as it is now, and once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { openStore } from '@labmesh/store/open-store';
import { system } from '@labmesh/wire/fleet/principal';
import { giveLabelSchema, type GiveLabelInput } from '@labmesh/wire/verification/labels';
import { onBothEngines } from '../../../../../tests/harness/both-engines.ts';
import { readVotes } from '../../ratings/votes.ts';
import { readStyledBattles } from '../../ratings/style/styled-battles.ts';
import { Wheel } from '../testing/wheel.ts';
import { LabelPlaces } from './label-place.ts';

const tester = system('label places test');
const board = { tenant: 'acme', bracket: 'none', task: 'any' };
const models = ['small', 'big', 'small'];
const answers = ['valid', 'valid', 'valid'] as const;

/** Votes of a store with runs of two models. */
class Votes {
  readonly wheel: Wheel;

  constructor(wheel: Wheel) {
    this.wheel = wheel;
  }

  give(runId: string, said: Partial<GiveLabelInput> = {}, reviewer = 'key-1', tenant = 'acme') {
    const input = { runId, a: 0, b: 1, winner: 'b' as const, confidence: 1, ...said };
    return this.wheel.pairs.reviews.give(tenant, reviewer, giveLabelSchema.parse(input));
  }

  read(of = board) {
    return this.wheel.store.read(tester, (db) => readVotes(db, of, 1));
  }

  /** As labels were written before they had a place. */
  forgetPlaces() {
    const nothing = { bracket: null, task: null, player_a: null, player_b: null, style: null };
    return this.wheel.store.write(tester, (tx) => tx.updateTable('arena_labels').set(nothing).execute());
  }
}

const one = (winsA: number, winsB: number, ties: number) => [
  { playerA: 'big', playerB: 'small', winsA, winsB, ties, voteWeight: 1 },
];

function counting(votes: Votes): void {
  test('a word is one battle, however often it is said; changed, it is another; each reviewer has one', async () => {
    const run = await votes.wheel.endedRun({ models, answers });
    for (let times = 0; times < 3; times++) await votes.give(run);
    expect(await votes.read()).toEqual(one(1, 0, 0));
    await votes.give(run, { winner: 'a' });
    expect(await votes.read()).toEqual(one(0, 1, 0));
    await votes.give(run, { winner: 'tie' }, 'key-2');
    // The other way round: the answer of `big` is b here, too.
    await votes.give(run, { a: 1, b: 2, winner: 'a' }, 'key-2');
    expect(await votes.read()).toEqual(one(1, 1, 1));
    const styles = await votes.wheel.store.read(tester, (db) => readStyledBattles(db, board, 1));
    expect(styles).toHaveLength(3);
  });

  test('two answers of one model are no battle; of another tenant, bracket or class they are on its board', async () => {
    const run = await votes.wheel.endedRun({ models, answers });
    await votes.give(run, { a: 0, b: 2 });
    expect(await votes.read()).toEqual([]);
    const block = { bracket: 'opencoder', metadata: { task: 'testing' } };
    await votes.give(await votes.wheel.endedRun({ models, answers, block }));
    await votes.give(await votes.wheel.endedRun({ models, answers, tenant: 'other' }), {}, 'key-9', 'other');
    expect(await votes.read()).toEqual([]);
    expect(await votes.read({ ...board, bracket: 'opencoder', task: 'testing' })).toEqual(one(1, 0, 0));
    expect(await votes.read({ ...board, tenant: 'other' })).toEqual(one(1, 0, 0));
  });

  test('forgotten with the pairs of its run, or of all', async () => {
    const runs = [await votes.wheel.endedRun({ models, answers }), await votes.wheel.endedRun({ models, answers })];
    for (const run of runs) await votes.give(run);
    expect(await votes.read()).toEqual(one(2, 0, 0));
    await votes.wheel.pairs.remove('acme', { run: runs[0] ?? '' });
    expect(await votes.read()).toEqual(one(1, 0, 0));
    await votes.wheel.pairs.remove('acme', { all: true });
    expect(await votes.read()).toEqual([]);
  });
}

function placing(votes: Votes): void {
  const places = () => new LabelPlaces(votes.wheel.store, (tenant) => tenant !== 'gone');

  test('labels of before are placed by the flywheel, once; what cannot be found is on no board', async () => {
    const run = await votes.wheel.endedRun({ models, answers });
    await votes.give(run);
    const lost = await votes.wheel.endedRun({ models, answers });
    await votes.give(lost);
    await votes.forgetPlaces();
    await votes.wheel.store.write(tester, (tx) => tx.deleteFrom('arena_runs').where('id', '=', lost).execute());
    expect(await votes.read()).toEqual([]);
    expect(await votes.wheel.flywheel().pass()).toMatchObject({ placed: 2 });
    expect(await votes.read()).toEqual(one(1, 0, 0));
    expect(await votes.wheel.flywheel().pass()).toMatchObject({ placed: 0 });
  });

  test('damaged rows end no pass; without consent nothing is read, and others are not held up by it', async () => {
    const damaged = await votes.wheel.endedRun({ models, answers });
    await votes.give(damaged);
    for (let at = 0; at < 101; at++) {
      const gone = { run_id: `gone-${at}`, tenant: 'gone', a: 0, b: 1, reviewer: 'k', winner: 'a', words: '{}' };
      const row = { id: `0-${String(at).padStart(3, '0')}`, created_at: 1, confidence_ppm: 1, ...gone };
      await votes.wheel.store.write(tester, (tx) => tx.insertInto('arena_labels').values(row).execute());
    }
    const run = await votes.wheel.endedRun({ models, answers });
    await votes.give(run);
    await votes.forgetPlaces();
    await votes.wheel.store.write(tester, (tx) =>
      tx.updateTable('arena_runs').set({ offer: '{"no' }).where('id', '=', damaged).execute(),
    );
    const placer = places();
    expect([await placer.pass(), await placer.pass(), await placer.pass()]).toEqual([0, 2, 0]);
    expect(await votes.read()).toEqual(one(1, 0, 0));
  });
}

function suite(name: string, openUrl: () => Promise<string>): void {
  describe(name, () => {
    const wheel = new Wheel(async () => openStore({ url: await openUrl() }));
    const votes = new Votes(wheel);
    beforeAll(() => wheel.open(), 60_000);
    afterAll(() => wheel.store?.[Symbol.asyncDispose]());
    beforeEach(() => wheel.empty());
    for (const part of [counting, placing]) part(votes);
  });
}

onBothEngines(suite);
