/** AR17 over the whole API: gold pairs in, a finding out, and only an approval changes what a judge is told. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { judgesSchema, type JudgeTuningView } from '@labmesh/wire/verification/judge-views';
import { readShown, verdictOf } from '../../judges/testing/fake-judge-server.ts';
import { addTriplets, goldTriplets } from '../../pairs/testing/gold-triplets.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';

let rig: AppRig;
let broke = false;
const told: string[] = [];
beforeAll(async () => {
  rig = await openAppRig((request) => {
    if (broke) return { status: 402, body: JSON.stringify({ error: { message: 'no', code: 'budget_exceeded' } }) };
    const { system: instructions, a } = readShown(request);
    told.push(instructions);
    // Only with the shorter one of equals it agrees with people.
    const right = instructions.includes('shorter') === a.startsWith('good');
    return { parts: [right ? verdictOf(9, 1) : verdictOf(1, 9)] };
  });
});
afterAll(() => rig[Symbol.asyncDispose]());
afterEach(async () => {
  broke = false;
  await rig.store.write(system('test'), (tx) => tx.deleteFrom('arena_triplets').execute());
});

const tune = (more = {}, tenant = 'acme') =>
  rig.json('POST', '/api/arena/judges/tune', { tenant, body: { model: 'judge', ...more } });
const approve = (prompt: string, tenant = 'acme') =>
  rig.json('POST', '/api/arena/judges/approve', { tenant, body: { model: 'judge', prompt } });
const view = async (tenant = 'acme') =>
  judgesSchema.parse((await rig.json('GET', '/api/arena/judges', { tenant })).body);

async function ended(): Promise<JudgeTuningView> {
  for (let tries = 0; tries < 2_000; tries++) {
    const [tuning] = (await view()).tunings;
    if (tuning !== undefined && tuning.state !== 'running') return tuning;
    await Bun.sleep(10);
  }
  throw new Error('the tuning came to no end');
}

test('too few gold pairs, or all of one task: what is missing, and how to get it', async () => {
  await addTriplets(rig.store, goldTriplets(28));
  const few = await tune();
  expect([few.status, few.body['message']]).toEqual([
    409,
    expect.stringContaining('2 are missing: labctl datasets label'),
  ]);
  await rig.store.write(system('test'), (tx) => tx.deleteFrom('arena_triplets').execute());
  await addTriplets(rig.store, goldTriplets(60, 1));
  expect((await tune()).body['message']).toContain('too few tasks');
  expect((await tune({}, 'other')).body['message']).toContain('30 are missing');
  expect(told).toEqual([]);
});

test('a tuning finds; nobody is told anything else before an approval, and after `usual` no more', async () => {
  await addTriplets(rig.store, goldTriplets(36));
  expect(await tune()).toMatchObject({ status: 202, body: { state: 'running', train: 24, heldOut: 12, seed: 42 } });
  const found = await ended();
  expect(found).toMatchObject({
    state: 'found',
    candidates: 10,
    trials: 30,
    difference: { mean: expect.closeTo(0.9) },
  });
  expect(found.calls).toBe(told.length);
  const prompt = found.best?.prompt ?? '';
  expect((await view()).approved).toEqual([]);
  expect(await view('other')).toMatchObject({ tunings: [], approved: [] });
  // Nobody approves of what was not found, or is another tenant's.
  expect((await approve('0'.repeat(64))).status).toBe(409);
  expect((await approve(prompt, 'other')).status).toBe(409);

  const instructions = found.best?.instructions ?? '';
  expect(await approve(prompt)).toMatchObject({ status: 200, body: { approved: { prompt, approvedBy: 'key-1' } } });
  expect((await view()).approved).toMatchObject([{ model: 'judge', prompt, instructions }]);
  expect(await rig.judgeTunings.instructions('acme')).toEqual([{ model: 'judge', text: instructions }]);
  expect(await rig.judgeTunings.instructions('other')).toEqual([]);

  told.length = 0;
  expect((await rig.json('POST', '/api/arena/judges/check', { body: { model: 'judge' } })).status).toBe(202);
  for (let tries = 0; tries < 2_000 && (await view()).checks[0]?.state === 'running'; tries++) await Bun.sleep(10);
  expect(told.length).toBeGreaterThan(0);
  expect(told.every((one) => one.startsWith(instructions))).toBe(true);
  expect((await view()).checks).toHaveLength(1);
  expect(await approve('usual')).toMatchObject({ status: 200, body: { approved: null } });
  // What the check found was of other instructions.
  expect(await view()).toMatchObject({ approved: [], checks: [], tunings: [{ state: 'found' }] });
}, 60_000);

test('a budget that ends it: what was found before stays', async () => {
  await addTriplets(rig.store, goldTriplets(30));
  const before = (await view()).tunings;
  broke = true;
  expect((await tune()).status).toBe(202);
  expect(await ended()).toEqual(before[0] as JudgeTuningView);
}, 60_000);

test.each([
  { model: 'a b' },
  { candidates: 1 },
  { candidates: 51 },
  { trials: 9 },
  { trials: 201 },
  { seed: -1 },
  { tenant: 'x' },
])('%j is refused', async (more) => expect((await tune(more)).status).toBe(400));
test.each(['', 'USUAL', 'f'.repeat(63)])('%j is no digest', async (prompt) =>
  expect((await approve(prompt)).status).toBe(400),
);
