/** Whether a run says that its answers can be generated again (AR2). */
import { system } from '@labmesh/wire/fleet/principal';
import { systemClock } from '@labmesh/kit/clock';
import { openStore } from '@labmesh/store/open-store';
import { expect, test } from 'bun:test';
import { statementOfRun } from '../certify/statement-of-run.ts';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { SeedProbes } from '../generate/seed-probes.ts';
import { FakeGateway, type Script } from '../generate/testing/fake-gateway.ts';
import { constant, honouring, ignoring, markOf } from '../generate/testing/seeded-scripts.ts';
import { readRun } from '../rows/run-rows.ts';
import { runDefaults } from './run-settings.ts';
import { replayableOf } from './steps/probe-seeds.ts';
import { eventsOf, offerOf, only, type OfferInput } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

type Engine = (request: Parameters<typeof honouring>[0]) => Script;
const prices = { inputNano: 3, outputNano: 5, models: {} };

async function runWith(engine: Engine, input: OfferInput = {}, seedProbe = false) {
  await using gateway = new FakeGateway(engine);
  await using store = await openStore({ url: 'sqlite::memory:' });
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't' });
  const seedProbes = new SeedProbes({ generate, clock: systemClock, store });
  const settings = { prices, shadow: { ...runDefaults.shadow, seedProbe } };
  await using rig = await openRig({ gateway, store, settings, parts: { seedProbes, seedWaitMs: 60_000 } });
  const offer = () => offerOf({ block: { variations: 2 }, ...input, requestId: crypto.randomUUID() });
  const [result] = only(await eventsOf(rig.runs, offer()), 'result');
  const row = await readRun(system('test'), rig.store, result?.runId ?? '');
  const calls = gateway.heard.length;
  /** Calls of a second run. */
  const again = async () => {
    await eventsOf(rig.runs, offer());
    return gateway.heard.length - calls;
  };
  const probes = gateway.heard.filter(({ headers }) => headers.has('x-labmesh-engine')).length;
  return { result, row, run: rig.finished[0], calls, probes, later: await again() };
}

test.each([
  ['honours seeds', honouring, true, 3],
  ['ignores them', ignoring, false, 2],
  ['always says the same', constant, null, 3],
] as const)('without any setting, an engine that %s', async (_, engine, replayable, probes) => {
  const { result, row, run, calls, later, ...told } = await runWith(engine);
  expect([calls, told.probes, later]).toEqual([2 + probes, probes, 2]);
  expect(row?.plan).toMatchObject({ replayable, seedProbe: { tokensIn: 10 * probes, costNano: 35 * probes } });
  expect(result?.shadowArena).toMatchObject({ metadata: { replayable: [replayable, replayable] } });
  // What was spent on finding out is the run's.
  expect([row?.tokensIn, row?.costNano]).toEqual([10 * calls, 35 * calls]);
  if (run === undefined) throw new Error('the run did not finish');
  const said = statementOfRun(run, { verifierId: 'https://arena.example', validityHours: 1 }, run.finishedAt);
  expect('labmesh' in said ? said.labmesh.sampling : said).toMatchObject([{ replayable }]);
});

test('an engine that may be paid for is not asked unasked, and is not guessed at', async () => {
  const paid: Engine = (request) => ({ ...ignoring(request), engine: markOf('cloud', 'other') });
  const unasked = await runWith(paid);
  expect([unasked.probes, unasked.row?.plan?.replayable]).toEqual([0, null]);
  const asked = await runWith(paid, {}, true);
  expect([asked.probes, asked.row?.plan?.replayable]).toEqual([2, false]);
  // A gateway of before tells no engine.
  const untold = await runWith(() => ({ parts: ['good'] }), {}, true);
  expect([untold.probes, untold.row?.plan?.replayable]).toEqual([0, null]);
});

test('one of two engines that ignores its seed is enough', async () => {
  const models = { strategy: 'model_ensemble' as const, models: ['second'] };
  const engine: Engine = (request) => (request.model === 'second' ? ignoring(request) : honouring(request));
  const { result, row } = await runWith(engine, { block: { variations: 2, ...models } });
  expect(result?.shadowArena).toMatchObject({ metadata: { replayable: [true, false] } });
  expect(row?.plan?.replayable).toBe(false);
});

test('an answer that is there does not wait for an engine that hangs on it; the next run is told', async () => {
  const held = Promise.withResolvers<void>();
  await using gateway = new FakeGateway(honouring);
  await using store = await openStore({ url: 'sqlite::memory:' });
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 't' });
  // Probes name their engine: only they are held.
  const seedProbes = new SeedProbes({
    generate: async (asked) => {
      await held.promise;
      return generate(asked);
    },
    clock: systemClock,
    store,
  });
  await using rig = await openRig({ gateway, store, parts: { seedProbes } });
  const run = async () => {
    const offer = offerOf({ block: { variations: 2 }, requestId: crypto.randomUUID() });
    return only(await eventsOf(rig.runs, offer), 'result')[0]?.shadowArena;
  };
  expect(await run()).toMatchObject({ metadata: { replayable: [null, null] } });
  held.resolve();
  while ((await seedProbes.known(markOf('tiny'))) === undefined) await Bun.sleep(5);
  expect(await run()).toMatchObject({ metadata: { replayable: [true, true] } });
}, 30_000);

test('an answer that is there is not late for it: with little time left it is told what is known', async () => {
  const hurried = await runWith(honouring, { deadlineMs: Date.now() + 14_000 });
  expect([hurried.probes, hurried.row?.plan?.replayable]).toEqual([0, null]);
});

test('a request with a budget pays for answers alone; of a given answer nothing is claimed', async () => {
  const frugal = await runWith(honouring, { block: { variations: 2, budget: { usd: 1 } } });
  expect([frugal.calls, frugal.row?.plan?.replayable]).toEqual([2, null]);
  const answer = { role: 'assistant', content: 'good' } as const;
  const audit = await runWith(honouring, { mode: 'audit', answer });
  expect([audit.calls, audit.row?.plan?.replayable]).toEqual([0, undefined]);
  const shadow = await runWith(honouring, { mode: 'shadow', answer });
  expect(shadow.result?.shadowArena).toMatchObject({ metadata: { replayable: [null, true] } });
  expect(shadow.row?.plan?.replayable).toBe(true);
});

test('any that does not decides; all have to', () => {
  expect([[], [true, true], [true, null], [true, null, false]].map(replayableOf)).toEqual([null, true, null, false]);
});
