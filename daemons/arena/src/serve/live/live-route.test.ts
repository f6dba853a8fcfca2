/** GET /v1/live over the arena's whole API: what of runs, labels, certificates and verifiers is told, and to whom (AR23). */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { type LiveLine, liveLineSchema } from '@labmesh/wire/verification/arena-live';
import { tenantHeader } from '@labmesh/wire/verification/arena-run';
import { LiveNews } from '../../runs/news/live-news.ts';
import { type AppRig, openAppRig } from '../testing/app-rig.ts';
import { liveRoute } from './live-route.ts';
import { VerifierWatch } from './watch-verifiers.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig();
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Hears a tenant until `isEnough`. */
async function hearing(tenant: string, ask = () => rig.ask('GET', '/v1/live', { tenant })) {
  const answer = await ask();
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const heard: LiveLine[] = [];
  const until = async (isEnough: (heard: LiveLine[]) => boolean) => {
    while (!isEnough(heard)) {
      const { value } = await reader.read();
      const lines = Buffer.from(value ?? [])
        .toString()
        .split('\n');
      heard.push(...lines.filter((line) => line !== '').map((line) => liveLineSchema.parse(JSON.parse(line))));
    }
    return heard;
  };
  return { heard, until, leave: () => reader.cancel() };
}

const secretWord = 'a word of the prompt';
const verify = (tenant: string) =>
  rig.json('POST', '/api/arena/verify', {
    tenant,
    body: { model: 'm', messages: [{ role: 'user', content: secretWord }], shadowConfig: { variations: 2 } },
  });
const events = (heard: readonly LiveLine[], topic: string) =>
  heard.filter((one) => one.topic === topic).map(({ data }) => data['event']);

describe('what is told', () => {
  test('a run from its place in the line to its end; when it is told, the rows say so; no text is in it', async () => {
    const live = await hearing('acme');
    const asked = verify('acme');
    const heard = await live.until((all) => all.some(({ topic }) => topic === 'stats'));
    const { body } = await asked;
    const id = String(body['trajectoryId']);
    const runs = heard.filter(({ topic }) => topic === 'runs').map(({ data }) => data);
    expect(runs[0]).toMatchObject({ event: 'state', runId: id, state: 'queued', mode: 'intercept' });
    expect(runs.map((data) => data['state'])).toEqual(
      expect.arrayContaining(['generating', 'verifying', 'certifying']),
    );
    expect(runs.at(-1)).toMatchObject({ event: 'result', runId: id });
    expect(events(heard, `run:${id}`)).toEqual(expect.arrayContaining(['candidate', 'verdict', 'outcome', 'result']));
    const shown = await rig.json('GET', `/api/arena/trajectories/${id}`, { tenant: 'acme' });
    expect(shown.body['status']).not.toBe('pending');
    const said = JSON.stringify(heard);
    for (const word of [secretWord, '"answer"', '"message"', '"details"']) expect(said).not.toContain(word);
    await live.leave();
  });

  test('another tenant hears nothing of it', async () => {
    const other = await hearing('globex');
    await verify('acme');
    await verify('globex');
    const heard = await other.until((all) => all.some(({ topic }) => topic === 'stats'));
    const runs = new Set(heard.flatMap(({ data }) => (typeof data['runId'] === 'string' ? [data['runId']] : [])));
    expect(runs.size).toBe(1);
    await other.leave();
  });

  test('what a person or an issuer changes', async () => {
    const revoker: { onRevoked: AppRig['issuer']['revoker']['onRevoked'] } = { onRevoked: () => {} };
    const reviews = { onGiven: (_: string) => {} };
    const parts = { runs: { news: new LiveNews() }, issuer: { revoker }, pairs: { reviews } };
    const app = liveRoute({ ...parts, verification: { describe: () => Promise.resolve([]) } });
    const live = await hearing('acme', async () => app.request('/v1/live', { headers: { [tenantHeader]: 'acme' } }));
    revoker.onRevoked('acme', 'cert-1');
    revoker.onRevoked('globex', 'cert-2');
    revoker.onRevoked(undefined, null);
    reviews.onGiven('acme');
    const heard = await live.until((all) => events(all, 'leaderboard').length > 0);
    const certificates = heard.filter(({ topic }) => topic === 'certificates').map(({ data }) => data);
    expect(certificates).toEqual([
      { event: 'revoked', certificateId: 'cert-1' },
      { event: 'revoked', certificateId: null },
    ]);
    await live.leave();
  });

  test('only a gateway listens', async () => {
    expect((await rig.ask('GET', '/v1/live', { auth: null })).status).toBe(401);
    expect((await rig.ask('GET', '/v1/live', { tenant: null })).status).toBe(401);
  });
});

test('verifiers are looked at while somebody listens, and what changed is told', async () => {
  let isHeard = true;
  let found = [{ name: 'a', status: 'online' as 'online' | 'offline', enabled: true, checks: 1 }];
  const told: unknown[] = [];
  let looks = 0;
  const describeThem = () => {
    looks += 1;
    return looks === 3 ? Promise.reject(new Error('away')) : Promise.resolve(found);
  };
  const watch = new VerifierWatch({
    describe: describeThem,
    isHeard: () => isHeard,
    tell: (changed) => told.push(changed),
  });
  await watch.look();
  found = [{ ...found[0]!, checks: 2 }];
  await watch.look();
  await watch.look();
  expect(told).toEqual([]);
  found = [{ ...found[0]!, status: 'offline' }];
  await watch.look();
  expect(told).toEqual([[{ name: 'a', status: 'offline', enabled: true }]]);
  found = [];
  await watch.look();
  expect(told).toHaveLength(2);
  isHeard = false;
  await watch.look();
  expect(looks).toBe(5);
});
