import { FakeClock } from '@labmesh/kit/clock';
import { expect, test } from 'bun:test';
import { gatewayGenerate } from './gateway-generate.ts';
import { SeedProbes } from './seed-probes.ts';
import { FakeGateway } from './testing/fake-gateway.ts';
import { constant, honouring, ignoring } from './testing/seeded-scripts.ts';

const ask = (model = 'tiny', tenant = 'acme') => ({ tenant, key: 'k', model, signal: new AbortController().signal });

function probesOf(gateway: FakeGateway, clock = new FakeClock()) {
  return new SeedProbes(gatewayGenerate({ baseUrl: gateway.url, token: 't' }), clock);
}

test.each([
  ['honours seeds', honouring, true, 3],
  ['ignores them', ignoring, false, 2],
  ['always says the same', constant, null, 3],
  ['refuses', () => ({ status: 500, body: '' }), null, 1],
] as const)('an engine that %s (AR2)', async (_, script, replayable, calls) => {
  await using gateway = new FakeGateway(script);
  const found = await probesOf(gateway).find(ask());
  expect(found.replayable).toBe(replayable);
  expect(gateway.heard).toHaveLength(calls);
  const answered = gateway.heard.length - (replayable === null && calls === 1 ? 1 : 0);
  expect([found.tokensIn, found.tokensOut]).toEqual([10 * answered, answered]);
  for (const { request } of gateway.heard) expect(request).toMatchObject({ temperature: 1, max_tokens: 16 });
});

test('what was paid before an engine failed is told', async () => {
  await using gateway = new FakeGateway((request, call) =>
    call === 0 ? honouring(request) : { status: 500, body: '' },
  );
  expect(await probesOf(gateway).find(ask())).toEqual({ replayable: null, tokensIn: 10, tokensOut: 1 });
});

test('is asked once by an hour, model and tenant; who waits beside pays nothing', async () => {
  await using gateway = new FakeGateway(honouring);
  const clock = new FakeClock();
  const probes = probesOf(gateway, clock);
  expect(probes.known(ask())).toBeUndefined();
  const both = await Promise.all([probes.find(ask()), probes.find(ask())]);
  expect(both.map(({ replayable, tokensOut }) => [replayable, tokensOut])).toEqual([
    [true, 3],
    [true, 0],
  ]);
  expect([await probes.find(ask()), probes.known(ask())]).toEqual([
    { replayable: true, tokensIn: 0, tokensOut: 0 },
    true,
  ]);
  expect(gateway.heard).toHaveLength(3);
  await probes.find(ask('other'));
  await probes.find(ask('tiny', 'globex'));
  expect(gateway.heard).toHaveLength(9);
  gateway.script = ignoring;
  await clock.advance(3_600_001);
  expect((await probes.find(ask())).replayable).toBe(false);
});

test('what could not be found out is asked again after a minute', async () => {
  await using gateway = new FakeGateway(() => ({ status: 500, body: '' }));
  const clock = new FakeClock();
  const probes = probesOf(gateway, clock);
  await probes.find(ask());
  await probes.find(ask());
  expect(gateway.heard).toHaveLength(1);
  await clock.advance(60_001);
  gateway.script = honouring;
  expect((await probes.find(ask())).replayable).toBe(true);
});

test('an aborted run ends its calls and knows nothing', async () => {
  await using gateway = new FakeGateway(() => ({ parts: ['a', 'b'], after: new Promise(() => {}) }));
  const ending = new AbortController();
  const found = probesOf(gateway).find({ ...ask(), signal: ending.signal });
  ending.abort(new Error('enough'));
  expect((await found).replayable).toBeNull();
});

test('no more than 256 are remembered', async () => {
  const probes = new SeedProbes(() => Promise.reject(new Error('away')), new FakeClock());
  for (let index = 0; index < 257; index++) await probes.find(ask(`m${index}`));
  expect([probes.known(ask('m0')), probes.known(ask('m256'))]).toEqual([undefined, null]);
});
