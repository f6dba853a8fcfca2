import { expect, test } from 'bun:test';
import type { ArenaEvent, RunOffer } from '@labmesh/wire/verification/arena-run';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { runDefaults } from './run-settings.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig, type Rig } from './testing/run-rig.ts';

const limits = { ...runDefaults.limits, tenantRuns: 60, atOnce: 1 };
const block = { variations: 1, certificate: false };
const offerFor = (tenant: string, more: object = {}) => offerOf({ tenant, block: { ...block, ...more } });

/** Waits for as long as a slow machine takes. */
async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 4_000; tries++) {
    if (holds()) return;
    await Bun.sleep(5);
  }
  throw new Error('it did not come to hold');
}

/** Submits an offer and waits until it is in the line. */
async function queue(rig: Rig, offer: RunOffer, signal?: AbortSignal): Promise<{ events: Promise<ArenaEvent[]> }> {
  const before = rig.runs.stats();
  const events = eventsOf(rig.runs, offer, signal);
  await until(() => {
    const now = rig.runs.stats();
    return now.queued + now.running > before.queued + before.running;
  });
  return { events };
}

/** A gateway whose first answer comes when it is let go, and the tenants of its calls in their order. */
function heldGateway() {
  const gate = Promise.withResolvers<void>();
  const gateway = new FakeGateway(() => ({ parts: ['good'] }));
  const tenants = () => gateway.heard.map(({ headers }) => headers.get('x-labmesh-tenant'));
  return { gateway, gate, tenants };
}

test('a tenant that floods keeps another waiting for one of its runs; its own keep their order', async () => {
  const { gateway, gate, tenants } = heldGateway();
  await using _ = gateway;
  // The first check holds the one place until all are in the line.
  await using rig = await openRig({ gateway, settings: { limits }, parts: { certify: () => neverCertified } });
  const { verify } = rig.verification;
  rig.verification.verify = async (...given) => {
    await gate.promise;
    return verify(...given);
  };
  const flood: { events: Promise<ArenaEvent[]> }[] = [];
  for (let at = 0; at < 12; at++) flood.push(await queue(rig, offerFor('a', { metadata: { at } })));
  const other = await queue(rig, offerFor('b'));
  const leaving = new AbortController();
  const left = await queue(rig, offerFor('c'), leaving.signal);
  leaving.abort();
  await left.events;
  gate.resolve();
  for (const { events } of [...flood, other]) expect(only(await events, 'result')).toHaveLength(1);
  expect(
    tenants()
      .filter((tenant) => tenant !== 'c')
      .indexOf('b'),
  ).toBe(1);
  const ends = rig.finished.filter(({ tenant }) => tenant === 'a').map(({ id }) => id);
  expect(ends).toEqual(ends.toSorted());
  await until(() => rig.runs.stats().queued + rig.runs.stats().running === 0);
});
const neverCertified = Promise.resolve({ reason: 'not asked for' });

test('one more than a tenant may have is told whose bound it is, and when to come again; another tenant is let in', async () => {
  const { gateway } = heldGateway();
  await using _ = gateway;
  await using rig = await openRig({ gateway, settings: { limits: { ...limits, tenantRuns: 1 } } });
  const gate = Promise.withResolvers<void>();
  const { verify } = rig.verification;
  rig.verification.verify = async (...given) => {
    await gate.promise;
    return verify(...given);
  };
  const first = await queue(rig, offerFor('a'));
  const [busy] = only(await eventsOf(rig.runs, offerFor('a')), 'error');
  expect(busy).toMatchObject({ code: 'arena_busy', message: expect.stringContaining('this tenant has 1 runs') });
  expect(busy?.retryAfterS).toBeGreaterThan(0);
  const other = await queue(rig, offerFor('b', { priority: 'high' }));
  gate.resolve();
  const all = await Promise.all([first.events, other.events]);
  expect(all.map((events) => only(events, 'accepted')[0]?.priority)).toEqual(['normal', 'high']);
  for (const events of all) expect(only(events, 'result')).toHaveLength(1);
});
