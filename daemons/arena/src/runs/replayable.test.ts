/** Whether a run says that its answers can be generated again (AR2). */
import { system } from '@labmesh/wire/fleet/principal';
import { systemClock } from '@labmesh/kit/clock';
import { expect, test } from 'bun:test';
import { statementOfRun } from '../certify/statement-of-run.ts';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { SeedProbes } from '../generate/seed-probes.ts';
import { FakeGateway, type Script } from '../generate/testing/fake-gateway.ts';
import { constant, honouring, ignoring } from '../generate/testing/seeded-scripts.ts';
import { readRun } from '../rows/run-rows.ts';
import { replayableOf } from './steps/probe-seeds.ts';
import { eventsOf, offerOf, only, type OfferInput } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

type Engine = (request: Parameters<typeof honouring>[0]) => Script;

async function runWith(engine: Engine, input: OfferInput = {}) {
  await using gateway = new FakeGateway(engine);
  const seedProbes = new SeedProbes(gatewayGenerate({ baseUrl: gateway.url, token: 't' }), systemClock);
  const settings = { prices: { inputNano: 3, outputNano: 5, models: {} } };
  await using rig = await openRig({ gateway, settings, parts: { seedProbes } });
  const [result] = only(await eventsOf(rig.runs, offerOf({ block: { variations: 2 }, ...input })), 'result');
  const row = await readRun(system('test'), rig.store, result?.runId ?? '');
  return { result, row, run: rig.finished[0], calls: gateway.heard.length };
}

test.each([
  ['honours seeds', honouring, true, 3],
  ['ignores them', ignoring, false, 2],
  ['always says the same', constant, null, 3],
] as const)('an engine that %s', async (_, engine, replayable, probes) => {
  const { result, row, run, calls } = await runWith(engine);
  expect(calls).toBe(2 + probes);
  expect(row?.plan).toMatchObject({ replayable, seedProbe: { tokensIn: 10 * probes, costNano: 35 * probes } });
  expect(result?.shadowArena).toMatchObject({ metadata: { replayable: [replayable, replayable] } });
  // What was spent on finding out is the run's.
  expect([row?.tokensIn, row?.costNano]).toEqual([10 * calls, 35 * calls]);
  if (run === undefined) throw new Error('the run did not finish');
  const said = statementOfRun(run, { verifierId: 'https://arena.example', validityHours: 1 }, run.finishedAt);
  expect('labmesh' in said ? said.labmesh.sampling : said).toMatchObject([{ replayable }]);
});

test('a request with a budget pays for answers alone; of a given answer nothing is claimed', async () => {
  const frugal = await runWith(honouring, { block: { variations: 2, budget: { usd: 1 } } });
  expect([frugal.calls, frugal.row?.plan?.replayable]).toEqual([2, null]);
  const answer = { role: 'assistant', content: 'good' } as const;
  const audit = await runWith(honouring, { mode: 'audit', answer });
  expect([audit.calls, audit.row?.plan?.replayable]).toEqual([0, undefined]);
  const shadow = await runWith(honouring, { mode: 'shadow', answer });
  expect(shadow.row?.plan?.samplings.map(({ replayable }) => replayable)).toEqual([undefined, true]);
});

test('one engine that ignores its seed is enough', () => {
  expect([[], [true, true], [true, null], [true, null, false]].map(replayableOf)).toEqual([null, true, null, false]);
});
