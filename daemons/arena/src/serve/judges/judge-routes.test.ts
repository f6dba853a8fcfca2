import { afterAll, beforeAll, expect, test } from 'bun:test';
import { judgesSchema } from '@labmesh/wire/verification/judge-views';
import { system } from '@labmesh/wire/fleet/principal';
import { readShown, verdictOf } from '../../judges/testing/fake-judge-server.ts';
import { addLeg } from '../../rows/match-rows.ts';
import { offerOf } from '../../runs/testing/offers.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig((request) => {
    if (request.model !== 'judge') return { parts: ['good'] };
    const { a, b } = readShown(request);
    // It takes the shorter one, which none of the attacks is, save among the plain answers.
    return { parts: [verdictOf(a.length <= b.length ? 9 : 1, b.length < a.length ? 9 : 1)] };
  });
});
afterAll(() => rig[Symbol.asyncDispose]());

const judges = async (tenant: string) =>
  judgesSchema.parse((await rig.json('GET', '/api/arena/judges', { tenant })).body);

test('how judges do in matches, by tenant: calls, void ones, position', async () => {
  const answer = await rig.ask('POST', '/v1/runs', { body: offerOf({ block: { variations: 1 } }) });
  const id = (JSON.parse((await answer.text()).split('\n')[0] ?? '') as { runId: string }).runId;
  expect((await judges('acme')).judges).toEqual([]);
  const legs = Array.from({ length: 60 }, (_, at) => ({ round: at, first: at % 6 !== 0 }));
  await rig.store.write(system('test'), async (tx) => {
    for (const { round, first } of legs) {
      const [scoreA, scoreB] = first ? [9, 1] : [1, 9];
      const said = { rationale: null, tokensIn: 1, tokensOut: 1, costNano: 0 };
      await addLeg(tx, id, { ...said, round, a: 0, b: 1, leg: 'ab', judge: 'llm:partial', scoreA, scoreB });
    }
    const nothing = { scoreA: null, scoreB: null, rationale: null, tokensIn: 1, tokensOut: 1, costNano: 0 };
    await addLeg(tx, id, { ...nothing, round: 0, a: 0, b: 1, leg: 'ba', judge: 'llm:partial' });
  });
  const [found] = (await judges('acme')).judges;
  expect(found).toMatchObject({
    judge: 'llm:partial',
    calls: 61,
    voided: 1,
    position: { decided: 60, rate: 50 / 60, state: 'biased' },
  });
  expect((await judges('other')).judges).toEqual([]);
});

test('a check is begun, and stands in the list of its tenant', async () => {
  const body = { model: 'judge' };
  expect(await rig.json('POST', '/api/arena/judges/check', { body })).toMatchObject({
    status: 202,
    body: { model: 'judge', state: 'running', cases: 100 },
  });
  for (const end = performance.now() + 20_000; performance.now() < end; await Bun.sleep(10)) {
    if ((await judges('acme')).checks[0]?.state !== 'running') break;
  }
  const [check] = (await judges('acme')).checks;
  expect(check).toMatchObject({ model: 'judge', endedAt: expect.any(String) });
  expect(['fit', 'unknown']).toContain(check?.state ?? '');
  expect((await judges('other')).checks).toEqual([]);
});

test.each([{}, { model: '' }, { model: 'a b' }, { model: 'x'.repeat(201) }, { model: 'm', tenant: 'other' }, '{'])(
  '%j is refused',
  async (body) => expect((await rig.json('POST', '/api/arena/judges/check', { body })).status).toBe(400),
);
