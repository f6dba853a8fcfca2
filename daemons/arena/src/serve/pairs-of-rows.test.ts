/** PD6: the pairs that a run's rows give are those that its end gave. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { readCandidates } from '../rows/candidate-rows.ts';
import { readLegs } from '../rows/match-rows.ts';
import { readRun } from '../rows/run-rows.ts';
import { runDefaults } from '../runs/run-settings.ts';
import { eventsOf, type OfferInput, offerOf } from '../runs/testing/offers.ts';
import { openRig, type Rig } from '../runs/testing/run-rig.ts';
import { pairsOfRun } from '../pairs/pairs-of-run.ts';
import { type RunRows, runOfRows } from '../pairs/flywheel/run-of-rows.ts';

const tester = system('run of rows test');
/** By model: two equal, one that is bad, one that is mended. */
const texts: Record<string, string> = {
  m0: 'good',
  m1: 'good and long',
  m2: 'BAD',
  m3: 'good and long',
  m4: 'good, the longest of all that there are',
};
const gateway = new FakeGateway(({ model, messages }) => {
  const wrong = messages.some(({ role }) => role === 'assistant');
  return { parts: [wrong ? 'good at last, and long enough' : (texts[model] ?? 'good')] };
});
let rig: Rig;
beforeAll(async () => {
  const correction = { ...runDefaults.correction, when: 'always' as const };
  rig = await openRig({ gateway, settings: { capture: ['acme'], correction } });
});
afterAll(async () => {
  await rig[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

const ensemble = { strategy: 'model_ensemble' as const, models: ['m1', 'm2', 'm3', 'm4'], variations: 5 };

async function rowsOf(id: string): Promise<RunRows> {
  const run = await readRun(tester, rig.store, id);
  if (run === undefined) throw new Error(`no run ${id}`);
  const [candidates, legs] = await rig.store.read(tester, async (db) => [
    await readCandidates(db, id),
    await readLegs(db, id),
  ]);
  return { run, candidates, legs };
}

/** What a pair says, but for when it was made and with which words a correction was asked for. */
function pairsBoth(run: Parameters<typeof pairsOfRun>[0] | undefined) {
  if (run === undefined) return [];
  return pairsOfRun(run, 'cert-1').pairs.map(({ triplet: { created_at: _, metadata, ...triplet } }) => {
    const { chain, ...rest } = metadata as {
      chain?: { correction_chain: { prompt: unknown; attempt_number: number }[] };
    };
    const attempts = chain?.correction_chain.map(({ prompt: _prompt, ...one }) => one);
    return { ...triplet, metadata: { ...rest, ...(chain && { ...chain, correction_chain: attempts }) } };
  });
}

const offers: [string, OfferInput][] = [
  ['round_robin', { block: { ...ensemble, method: 'round_robin' } }],
  ['auto', { block: { ...ensemble, method: 'auto' } }],
  ['swiss', { block: { ...ensemble, method: 'swiss' } }],
  ['double_elimination', { block: { ...ensemble, method: 'double_elimination' } }],
  ['verification_weighted', { block: { ...ensemble, method: 'verification_weighted' } }],
  ['no correction', { block: { ...ensemble, correction: false } }],
  ['a tournament that broke off', { block: { ...ensemble, budget: { judge_calls: 1 } } }],
  [
    'one that was mended',
    { request: { model: 'm2', messages: [{ role: 'user', content: 'y' }] }, block: { variations: 1 } },
  ],
];

test.each(offers)('%s', async (_, offer) => {
  const request = { model: 'm0', messages: [{ role: 'user', content: 'x' }] };
  await eventsOf(rig.runs, offerOf({ request, ...offer }));
  const live = rig.finished.at(-1);
  const rows = await rowsOf(live?.id ?? '');
  const again = pairsBoth(runOfRows(rows));
  expect(again).toEqual(pairsBoth(live));
  expect(again.length).toBeGreaterThan(0);
});

test('nothing of a run without texts, that failed, or is under way', async () => {
  const rows = await rowsOf(rig.finished[0]?.id ?? '');
  for (const change of [{ offer: null }, { state: 'failed' as const }, { finishedAt: null }, { plan: null }]) {
    expect(runOfRows({ ...rows, run: { ...rows.run, ...change } })).toBeUndefined();
  }
});
