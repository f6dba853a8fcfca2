/** What each variation cost, and what of its prompt the engine had from before (verification AR4, AR21). */
import { expect, test } from 'bun:test';
import { trajectorySchema } from '@labmesh/wire/verification/arena-views';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { eventsOf, offerOf, only } from '../runs/testing/offers.ts';
import { runDefaults } from '../runs/run-settings.ts';
import { openRig } from '../runs/testing/run-rig.ts';
import { detailView, readDetail } from './run-views.ts';

test('tokens, those that were cached, and the price of each', async () => {
  const told = { prompt_tokens: 10, completion_tokens: 2, prompt_tokens_details: { cached_tokens: 8 } };
  // The second engine says nothing of a cache: nothing is made up.
  const usage = (call: number) => (call === 0 ? told : { prompt_tokens: 10, completion_tokens: 2 });
  await using gateway = new FakeGateway((_, call) => ({ parts: [`good ${call}`], usage: usage(call) }));
  const prices = { inputNano: 1_000, outputNano: 5_000, models: {} };
  await using rig = await openRig({
    gateway,
    settings: { prices, shadow: { ...runDefaults.shadow, parallel: false } },
  });
  const [result] = only(await eventsOf(rig.runs, offerOf({ block: { variations: 2 } })), 'result');
  const detail = await readDetail(rig.store, 'acme', result?.runId ?? '');
  if (detail === undefined) throw new Error('it is not there');
  const { candidates } = trajectorySchema.parse(JSON.parse(JSON.stringify(detailView(detail))));
  expect(
    candidates.map(({ tokensIn, tokensCached, tokensOut, costUsd }) => [tokensIn, tokensCached, tokensOut, costUsd]),
  ).toEqual([
    [10, 8, 2, 0.00002],
    [10, null, 2, 0.00002],
  ]);
});
