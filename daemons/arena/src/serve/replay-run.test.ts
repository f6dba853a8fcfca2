/** P5: a run comes out again from its rows, and not when a row was changed behind its back. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import type { Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { replaySchema } from '@labmesh/wire/verification/arena-views';
import type { methodChoices } from '@labmesh/wire/verification/verification-block';
import { eventsOf, type OfferInput, offerOf, only } from '../runs/testing/offers.ts';
import { type AppRig, openAppRig } from './testing/app-rig.ts';

/** By model: two equal, one that is bad, one that is mended. */
const texts: Record<string, string> = {
  m0: 'good',
  m1: 'good and long',
  m2: 'BAD',
  m3: 'good and long',
  m4: 'good, the longest',
};
let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig(({ model, messages }) => {
    const wrong = messages.some(({ role }) => role === 'assistant');
    return { parts: [wrong ? 'good at last' : (texts[model] ?? 'good')] };
  });
});
afterAll(() => rig[Symbol.asyncDispose]());

const ensemble = { strategy: 'model_ensemble' as const, models: ['m1', 'm2', 'm3', 'm4'] };
async function run(offer: OfferInput): Promise<string> {
  const request = { model: 'm0', messages: [{ role: 'user', content: 'x' }] };
  const [accepted] = only(await eventsOf(rig.runs, offerOf({ request, ...offer })), 'accepted');
  return accepted?.runId ?? '';
}
const replay = async (id: string) =>
  replaySchema.parse((await rig.json('GET', `/api/arena/trajectories/${id}/replay`)).body);
const change = (work: (tx: Writer) => Promise<unknown>) => rig.store.write(system('test'), work);

describe('comes out the same', () => {
  const methods = [
    'auto',
    'round_robin',
    'swiss',
    'anchor',
    'single_elimination',
    'double_elimination',
    'lightning',
  ] as const;
  test.each(methods.map((method) => [method]))('by %s', async (method: (typeof methodChoices)[number]) => {
    const id = await run({ block: { ...ensemble, method, correction: 1, variations: 5 } });
    const found = await replay(id);
    expect(found).toMatchObject({ same: true, differences: [], checked: { outcomes: 5, seeds: 5 } });
    expect(found.checked.matches).toBeGreaterThan(0);
  });

  test.each<[string, OfferInput]>([
    ['one answer', { block: { variations: 1 } }],
    [
      'none valid',
      { request: { model: 'm2', messages: [{ role: 'user', content: 'x' }] }, block: { correction: false } },
    ],
    ['an answer that was there', { mode: 'audit', answer: { role: 'assistant', content: 'good' } }],
    [
      'beside its client’s own answer',
      { mode: 'shadow', answer: { role: 'assistant', content: 'good' }, block: ensemble },
    ],
    ['a budget that ended the tournament', { block: { ...ensemble, budget: { judge_calls: 1 } } }],
    ['a budget that allowed nothing', { block: { budget: { tokens: 1 } } }],
  ])('%s', async (_, offer) => {
    expect(await replay(await run(offer))).toMatchObject({ same: true, differences: [] });
  });
});

describe('finds what was changed', () => {
  const places = async (id: string) => {
    const { run: row, candidates } = await rig.store.read(system('test'), async (db) => ({
      run: await db.selectFrom('arena_runs').selectAll().where('id', '=', id).executeTakeFirstOrThrow(),
      candidates: await db.selectFrom('arena_candidates').selectAll().where('run_id', '=', id).execute(),
    }));
    return { row, candidates };
  };
  const setRun = (id: string, set: object) =>
    change((tx) => tx.updateTable('arena_runs').set(set).where('id', '=', id).execute());
  const setCandidate = (id: string, set: object) =>
    change((tx) => tx.updateTable('arena_candidates').set(set).where('run_id', '=', id).where('idx', '=', 0).execute());

  const changes: Record<string, (id: string) => Promise<unknown>> = {
    'its seed does not follow': async (id) => {
      const { candidates } = await places(id);
      const sampling = JSON.parse(candidates.find(({ idx }) => idx === 0)?.sampling ?? '{}') as object;
      await setCandidate(id, { sampling: JSON.stringify({ ...sampling, seed: 4_711 }) });
    },
    'its verdicts make it': (id) =>
      change(async (tx) => {
        const all = await tx.selectFrom('arena_verdicts').selectAll().where('run_id', '=', id).execute();
        const [first] = all.filter(({ idx }) => idx === 0);
        const verdict = JSON.stringify({ ...(JSON.parse(first?.verdict ?? '{}') as object), status: 'failed' });
        await tx
          .updateTable('arena_verdicts')
          .set({ verdict })
          .where('id', '=', first?.id ?? '')
          .execute();
      }),
    'recorded is invalid': (id) => setCandidate(id, { outcome: 'invalid' }),
    'its answers make the run valid': (id) => setRun(id, { outcome: 'inconclusive' }),
    'its matches make answer 4 the first, recorded is 0': (id) => setRun(id, { chosen: 0 }),
    'the first, recorded is none': (id) => setRun(id, { chosen: null }),
    'the first, recorded is 4': (id) =>
      change(async (tx) => {
        // The judge's scores are turned round: every leg now speaks for the other.
        for (const leg of await tx.selectFrom('arena_matches').selectAll().where('run_id', '=', id).execute()) {
          const { scoreA, scoreB, ...rest } = JSON.parse(leg.result ?? '{}') as { scoreA: number; scoreB: number };
          const result = JSON.stringify({ ...rest, scoreA: scoreB, scoreB: scoreA });
          await tx.updateTable('arena_matches').set({ result }).where('id', '=', leg.id).execute();
        }
      }),
  };
  test.each(Object.entries(changes))('%s', async (said, tamper) => {
    const id = await run({ block: { ...ensemble, method: 'round_robin', correction: false } });
    expect(await replay(id)).toMatchObject({ same: true });
    expect((await places(id)).row.chosen).toBe(4);
    await tamper(id);
    const { same, differences } = await replay(id);
    expect(same).toBe(false);
    expect(differences.join('; ')).toContain(said);
  });

  test('a winner that no match speaks for', async () => {
    const id = await run({ block: { variations: 1 } });
    await setRun(id, { chosen: 3 });
    expect((await replay(id)).differences.join()).toContain('recorded is 3');
  });
});
