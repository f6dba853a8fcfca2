import { expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { runRoutes } from './run-routes.ts';

/** The offers that requests make; each run ends at once. */
async function offersOf(...asked: { path: string; body: object; id?: string; key?: string }[]): Promise<RunOffer[]> {
  const offers: RunOffer[] = [];
  const app = runRoutes({
    submit: async function* (offer) {
      offers.push(offer);
      yield { event: 'accepted', runId: `run-${offers.length}`, cached: false, position: 0 };
    },
    clock: new FakeClock(),
    onFault: () => {},
  });
  for (const { path, body, id = 'mine', key = 'k1' } of asked) {
    const headers = { 'x-labmesh-tenant': 't', 'x-labmesh-key': key, 'x-request-id': id };
    await app.request(`/api/arena/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  }
  return offers;
}
const given = (content: string) => ({
  path: 'trajectories',
  body: {
    model: 'm',
    messages: [
      { role: 'user', content: 'q' },
      { role: 'assistant', content },
    ],
  },
});
const asked = (content: string) => ({
  path: 'verify',
  body: { model: 'm', messages: [{ role: 'user', content }] },
});

test('an id that a caller chose finds its own run again, and no run of another answer, prompt, key or id', async () => {
  const offers = await offersOf(
    given('good'),
    given('good'),
    given('bad'),
    { ...given('good'), key: 'k2' },
    { ...given('good'), id: 'other' },
    asked('q'),
    asked('r'),
  );
  const ids = offers.map(({ requestId }) => requestId);
  expect(ids).toHaveLength(7);
  expect(ids[1]).toBe(ids[0] ?? '');
  expect(new Set(ids).size).toBe(6);
  // Nothing that the gateway makes of an id looks like this.
  for (const id of ids) expect(id).toMatch(/^ask\.[0-9a-f]{64}$/);
});

test('the model of an answer that a caller brings is told as the word of the caller', async () => {
  const [brought, made] = await offersOf(given('x'), asked('q'));
  expect([brought?.request.model, made?.request.model]).toEqual(['claimed:m', 'm']);
});
