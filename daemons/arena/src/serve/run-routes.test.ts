import { describe, expect, test } from 'bun:test';
import { FakeClock } from '@labmesh/kit/clock';
import fc from 'fast-check';
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { runRoutes } from './run-routes.ts';

const quiet = {
  clock: new FakeClock(),
  onFault: () => {},
  usualMs: async () => null,
  certificateOf: () => Promise.reject(new Error('no run ends with one')),
};

/** The offers that requests make; each run ends at once. */
type Asked = { path: string; body: object; id?: string; key?: string; rights?: Record<string, string> };
async function offersOf(...asked: Asked[]): Promise<RunOffer[]> {
  const offers: RunOffer[] = [];
  const app = runRoutes({
    submit: async function* (offer) {
      offers.push(offer);
      yield { event: 'accepted', runId: `run-${offers.length}`, cached: false, position: 0 };
    },
    ...quiet,
  });
  for (const { path, body, id = 'mine', key = 'k1', rights } of asked) {
    const headers = { 'x-labmesh-tenant': 't', 'x-labmesh-key': key, 'x-request-id': id, ...rights };
    await app.request(path.startsWith('/') ? path : `/api/arena/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
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

test.each([
  ['', ['accepted', 'error']],
  ['?events=last', ['error']],
  ['?events=all', ['accepted', 'error']],
])('an offer to /v1/runs%s hears %p', async (query, heard) => {
  const app = runRoutes({
    ...quiet,
    submit: async function* () {
      yield { event: 'accepted', runId: 'run-1', cached: false, position: 0 };
      const told = { message: '', field: null, retryAfterS: null, runId: null };
      yield { event: 'error', code: 'verification_inconclusive', ...told };
    },
  });
  const request = { model: 'm', messages: [{ role: 'user', content: 'q' }] };
  const offer = { requestId: 'r', tenant: 't', key: 'k', mode: 'audit', request, block: {}, deadlineMs: 60_000 };
  const headers = { 'x-labmesh-tenant': 't', 'x-labmesh-key': 'k' };
  const response = await app.request(`/v1/runs${query}`, { method: 'POST', headers, body: JSON.stringify(offer) });
  const lines = (await response.text()).trimEnd().split('\n');
  expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(heard);
});

test('the model of an answer that a caller brings is told as the word of the caller', async () => {
  const [brought, made] = await offersOf(given('x'), asked('q'));
  expect([brought?.request.model, made?.request.model]).toEqual(['claimed:m', 'm']);
});

describe('rights of a key', () => {
  /** The three ways to a run: the gateway's offer, an answer that is there, the original's call. */
  const ways = (block: object): Asked[] => [
    {
      path: '/v1/runs',
      body: {
        requestId: 'r',
        tenant: 't',
        key: 'k1',
        mode: 'intercept',
        deadlineMs: 60_000,
        block,
        // Nobody but the headers says what a key may do.
        variationsMost: 16,
        request: { model: 'm', messages: [{ role: 'user', content: 'q' }] },
      },
    },
    { path: 'trajectories', body: { ...given('x').body, verification: block } },
    asked('q'),
  ];
  const held = async (block: object, rights: Record<string, string>): Promise<unknown[]> =>
    (await offersOf(...ways(block).map((way) => ({ ...way, rights })))).map((offer) => [
      offer.block.priority,
      offer.variationsMost,
    ]);

  test('the class is held to the highest that the key may ask for, on every way; none told is normal (RP8, G-20)', async () => {
    const most = { 'x-labmesh-priority-most': 'high', 'x-labmesh-variations-most': '16' };
    const usual = ['normal', undefined];
    expect(await held({ priority: 'critical' }, {})).toEqual([usual, usual, usual]);
    expect(await held({ priority: 'critical' }, most)).toEqual([
      ['high', 16],
      ['high', 16],
      ['normal', 16],
    ]);
    expect(await held({ priority: 'low' }, most)).toEqual([
      ['low', 16],
      ['low', 16],
      ['normal', 16],
    ]);
    const low = { 'x-labmesh-priority-most': 'low' };
    const least = ['low', undefined];
    expect(await held({}, low)).toEqual([least, least, least]);
  });

  test('headers that say something else give no right', async () => {
    const header = fc.string({ unit: fc.constantFrom(...'0123456789criticalhg :-,') });
    await fc.assert(
      fc.asyncProperty(header, header, async (priority, variations) => {
        fc.pre(!['high', 'critical'].includes(priority.trim()));
        const rights = { 'x-labmesh-priority-most': priority, 'x-labmesh-variations-most': variations };
        const [offer] = await offersOf({ ...given('x'), rights });
        expect(offer?.block.priority).toBe('normal');
        expect(offer?.variationsMost ?? 1).toBeWithin(1, 17);
      }),
      { numRuns: 50 },
    );
  });
});
