import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import { openStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { gatewayGenerate } from './gateway-generate.ts';
import { SeedProbes } from './seed-probes.ts';
import { FakeGateway, type Script } from './testing/fake-gateway.ts';
import { constant, honouring, ignoring, markOf } from './testing/seeded-scripts.ts';

const ask = (model = 'tiny', tenant = 'acme') => ({
  tenant,
  key: 'k',
  model,
  engine: markOf(model),
});
const tiny = markOf('tiny');
const week = 7 * 86_400_000;

let store: Store;
beforeAll(async () => {
  store = await openStore({ url: 'sqlite::memory:' });
});
afterAll(() => store[Symbol.asyncDispose]());
const tester = system('seed test');
beforeEach(() => store.write(tester, (tx) => tx.deleteFrom('arena_engines').execute()));
const rows = () => store.read(tester, (db) => db.selectFrom('arena_engines').selectAll().execute());

const probesOf = (gateway: FakeGateway, clock = new FakeClock()) =>
  new SeedProbes({ generate: gatewayGenerate({ baseUrl: gateway.url, token: 't' }), clock, store });

const thinking = ({ seed, model }: Parameters<typeof honouring>[0]): Script => {
  const choices = [{ index: 0, delta: { reasoning_content: `thought of ${seed}` }, finish_reason: 'length' }];
  const chunk = { id: 'c', created: 1, object: 'chat.completion.chunk', model, choices };
  return { raw: [`data: ${JSON.stringify(chunk)}\n\n`], engine: markOf(model) };
};

test.each([
  ['honours seeds', honouring, true, 3, 'true'],
  ['ignores them', ignoring, false, 2, 'false'],
  ['always says the same', constant, null, 3, 'null'],
  ['only thinks in so few tokens', thinking, true, 3, 'true'],
  ['refuses', () => ({ status: 500, body: '' }), null, 1, undefined],
  ['is another one', () => ({ parts: ['x'], engine: markOf('else') }), null, 1, undefined],
  ['is not told', () => ({ parts: ['x'] }), null, 1, undefined],
] as const)('an engine that %s (AR2)', async (_, script, replayable, calls, kept) => {
  await using gateway = new FakeGateway(script);
  expect((await probesOf(gateway).find(ask())).replayable).toBe(replayable);
  expect(gateway.heard).toHaveLength(calls);
  let tokens = 0;
  for (const { request, headers } of gateway.heard) {
    expect(headers.get('x-labmesh-engine')).toBe(tiny);
    tokens += request.max_tokens ?? 99;
  }
  expect(tokens).toBeLessThanOrEqual(16);
  expect((await rows()).map((row) => [row.engine, row.replayable])).toEqual(kept === undefined ? [] : [[tiny, kept]]);
});

test('unlikely tokens are cut off by no engine of one’s own; others are not told what some refuse', async () => {
  await using gateway = new FakeGateway((request) => ({
    ...honouring(request),
    engine: gateway.heard.length > 3 ? paid : tiny,
  }));
  const paid = markOf('cloud', 'other');
  expect((await probesOf(gateway).find(ask())).replayable).toBe(true);
  expect((await probesOf(gateway).find({ ...ask(), engine: paid })).replayable).toBe(true);
  const told = gateway.heard.map(({ request }) => [request['top_k'], request['min_p'], request.temperature]);
  expect([told.slice(0, 3), told.slice(3)]).toEqual([
    [1, 2, 3].map(() => [100_000, 0, 2]),
    [4, 5, 6].map(() => [undefined, undefined, 2]),
  ]);
});

test('what was paid before an engine failed is told', async () => {
  await using gateway = new FakeGateway((request, call) =>
    call === 0 ? honouring(request) : { status: 500, body: '' },
  );
  expect(await probesOf(gateway).find(ask())).toEqual({ replayable: null, tokensIn: 10, tokensOut: 1 });
});

test('is asked once an engine, whichever tenant asks, and by the next process too; who waits beside pays nothing', async () => {
  await using gateway = new FakeGateway(honouring);
  const clock = new FakeClock();
  const probes = probesOf(gateway, clock);
  expect(await probes.known(tiny)).toBeUndefined();
  const both = await Promise.all([probes.find(ask()), probes.find(ask('tiny', 'globex'))]);
  expect(both.map(({ replayable, tokensOut }) => [replayable, tokensOut])).toEqual([
    [true, 3],
    [true, 0],
  ]);
  const free = { replayable: true, tokensIn: 0, tokensOut: 0 };
  expect([await probes.find(ask()), await probes.known(tiny)]).toEqual([free, true]);
  expect(await probesOf(gateway, clock).find(ask())).toEqual(free);
  expect(gateway.heard).toHaveLength(3);
  await probes.find(ask('other'));
  expect(gateway.heard).toHaveLength(6);
});

test('after a week it is looked at anew; what is older still is not kept', async () => {
  await using gateway = new FakeGateway(honouring);
  const clock = new FakeClock();
  const probes = probesOf(gateway, clock);
  await probes.find(ask());
  await probes.find(ask('gone'));
  await clock.advance(week - 1);
  gateway.script = ignoring;
  expect((await probes.find(ask())).replayable).toBe(true);
  await clock.advance(week);
  expect((await probes.find(ask())).replayable).toBe(false);
  expect((await rows()).map(({ engine }) => engine)).toEqual([tiny]);
});

test('what could not be found out is asked again after ten minutes', async () => {
  await using gateway = new FakeGateway(() => ({ status: 500, body: '' }));
  const clock = new FakeClock();
  const probes = probesOf(gateway, clock);
  await probes.find(ask());
  await probes.find(ask());
  expect(gateway.heard).toHaveLength(1);
  await clock.advance(600_001);
  gateway.script = honouring;
  expect((await probes.find(ask())).replayable).toBe(true);
});

test('a process that ends ends its calls, and says nothing of the engine', async () => {
  await using gateway = new FakeGateway(() => ({ parts: ['a', 'b'], after: new Promise(() => {}) }));
  const probes = probesOf(gateway);
  const found = probes.find(ask());
  while (gateway.heard.length === 0) await Bun.sleep(5);
  await probes[Symbol.asyncDispose]();
  expect((await found).replayable).toBeNull();
  expect([await rows(), await probes.known(tiny)]).toEqual([[], undefined]);
});

test('what one payer may not do is not held against the engine', async () => {
  const refusal = (status: number, code: string) => ({
    status,
    body: JSON.stringify({ error: { message: '', type: 'api_error', param: null, code } }),
  });
  for (const [status, code] of [
    [429, 'budget_exceeded'],
    [429, 'rate_limit_exceeded'],
  ] as const) {
    await using gateway = new FakeGateway(() => refusal(status, code));
    const probes = probesOf(gateway);
    expect((await probes.find(ask('tiny', 'poor'))).replayable).toBeNull();
    expect(await probes.known(tiny)).toBeUndefined();
    gateway.script = honouring;
    expect((await probes.find(ask('tiny', 'rich'))).replayable).toBe(true);
    await store.write(tester, (tx) => tx.deleteFrom('arena_engines').execute());
  }
});

test('no more than 256 are remembered', async () => {
  const clock = new FakeClock();
  const probes = new SeedProbes({ generate: () => Promise.reject(new Error('away')), clock, store });
  for (let index = 0; index < 257; index++) await probes.find(ask(`m${index}`));
  expect([await probes.known(markOf('m0')), await probes.known(markOf('m256'))]).toEqual([undefined, null]);
});
