import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { arenaLineBytesMost } from '@labmesh/wire/verification/arena-run';
import {
  certificatePageSchema,
  leaderboardSchema,
  replaySchema,
  suiteListSchema,
  trajectoryPageSchema,
  trajectorySchema,
  verifierListSchema,
} from '@labmesh/wire/verification/arena-views';
import fc from 'fast-check';
import { sampleRun } from '../certify/testing/sample-run.ts';
import { addBattles } from '../ratings/battle-counts.ts';
import { eventsOf, offerOf } from '../runs/testing/offers.ts';
import { type AppRig, openAppRig, token } from './testing/app-rig.ts';

let rig: AppRig;
beforeAll(async () => {
  rig = await openAppRig((request, call) => ({
    parts: [`${request.seed ?? call}`.includes('7') ? 'good one' : 'good'],
  }));
});
afterAll(() => rig[Symbol.asyncDispose]());

const suite = (id: string) => ({
  id,
  language: 'python',
  entry: 'f',
  cases: [{ args: ['tanganyika'], expect: 'zanzibar-4711' }],
});
/** Every route there is, with something in the place of each parameter. */
const routes = () =>
  rig.app.routes
    .filter(({ method, path }) => method !== 'ALL' && path !== '/livez')
    .map(({ method, path }) => ({ method, path: path.replaceAll(/:\w+/g, 'x').replace('*', 'checkpoint') }));
const codeOf = async (method: string, path: string, asked = {}) => {
  const { status, body } = await rig.json(method, path, asked);
  return [status, body['code'], ...(body['field'] === undefined ? [] : [body['field']])];
};

/** A schema that would ask for nothing once such a member is dropped. */
const protoBody =
  '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"{}"}],"verification":{"expected_schema":{"properties":{"__proto__":{"type":"string"}},"required":["__proto__"]}}}';

describe('who may ask', () => {
  test.each([
    ['none', null],
    ['another', `Bearer ${'x'.repeat(token.length)}`],
    ['the beginning', `Bearer ${token.slice(0, -1)}`],
    ['more', `Bearer ${token}x`],
    ['without its scheme', token],
    ['in another case', `bearer ${token}`],
    ['empty', 'Bearer '],
  ])('a secret that is %s opens no route, and nothing is looked at before it', async (_, auth) => {
    expect(routes().length).toBeGreaterThan(25);
    for (const { method, path } of routes()) {
      const body = method === 'GET' ? undefined : 'no json at all';
      expect({ path, code: await codeOf(method, path, { auth, body, tenant: null }) }).toEqual({
        path,
        code: [401, 'UNAUTHENTICATED'],
      });
    }
  });

  test.each([
    ['no', null],
    ['an empty', ''],
    ['a spaced', 'a b'],
    ['a long', 'x'.repeat(201)],
    ['an odd', 'ä'],
  ])('%s tenant is answered by no route', async (_, tenant) => {
    // Counts of all tenants together are nobody's.
    for (const { method, path } of routes().filter((route) => route.path !== '/metrics')) {
      expect({ path, code: await codeOf(method, path, { tenant }) }).toEqual({ path, code: [401, 'TENANT_MISSING'] });
    }
  });

  test('liveness alone needs neither', async () => {
    expect(await rig.json('GET', '/livez', { auth: null, tenant: null })).toEqual({
      status: 200,
      body: { status: 'ok' },
    });
  });
});

describe('what is refused', () => {
  const run = offerOf();
  test.each([
    ['POST', '/v1/runs', '{', 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/v1/runs', {}, 400, 'VALIDATION_FAILED', 'requestId'],
    ['POST', '/v1/runs', { ...run, mode: 'passthrough' }, 400, 'VALIDATION_FAILED', 'mode'],
    ['POST', '/v1/runs', { ...run, tenant: 'other' }, 400, 'VALIDATION_FAILED', 'tenant'],
    [
      'POST',
      '/v1/runs',
      { ...run, block: { ...run.block, variations: 17 } },
      400,
      'VALIDATION_FAILED',
      'block.variations',
    ],
    ['POST', '/api/arena/trajectories', { messages: [] }, 400, 'VALIDATION_FAILED', 'messages'],
    [
      'POST',
      '/api/arena/trajectories',
      { messages: [{ role: 'user', content: 'x' }] },
      400,
      'VALIDATION_FAILED',
      'messages',
    ],
    ['POST', '/api/arena/verify', { messages: [{ role: 'user', content: 'x' }] }, 400, 'VALIDATION_FAILED', 'model'],
    ['POST', '/api/arena/verify', '[]', 400, 'VALIDATION_FAILED', undefined],
    ['POST', '/api/arena/certificates/x/revoke', { reason: 'boredom' }, 400, 'VALIDATION_FAILED', 'reason'],
    ['POST', '/api/arena/certificates/x/revoke', ' '.repeat(5_000), 413, 'BODY_TOO_LARGE', undefined],
    ['POST', '/api/arena/verify', `"${'x'.repeat(arenaLineBytesMost)}"`, 413, 'BODY_TOO_LARGE', undefined],
    ['POST', '/api/arena/suites', ' '.repeat(4 * 1024 * 1024), 413, 'BODY_TOO_LARGE', undefined],
    ['GET', '/api/arena/trajectories?limit=201', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/api/arena/trajectories?limit=-1', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/api/arena/certificates?offset=1e3', undefined, 400, 'VALIDATION_FAILED', 'offset'],
    ['GET', '/api/arena/comparisons?limit=', undefined, 400, 'VALIDATION_FAILED', 'limit'],
    ['GET', '/api/arena/trajectories?status=good', undefined, 400, 'VALIDATION_FAILED', 'status'],
    ['GET', '/api/arena/certificates/x?view=pdf', undefined, 400, 'VALIDATION_FAILED', 'view'],
    ['POST', '/api/arena/trajectories', protoBody, 400, 'VALIDATION_FAILED', 'verification'],
    ['GET', '/api/arena/leaderboard?bracket=x', undefined, 400, 'VALIDATION_FAILED', 'bracket'],
    ['GET', '/api/arena/leaderboard?task=%00', undefined, 400, 'VALIDATION_FAILED', 'task'],
    ['GET', '/api/arena/leaderboard?style=1', undefined, 400, 'VALIDATION_FAILED', 'style'],
    ['GET', '/api/arena/trajectories/%00', undefined, 404, 'NOT_FOUND', undefined],
    ['DELETE', '/api/arena/suites/none', undefined, 404, 'NOT_FOUND', undefined],
    ['POST', '/api/arena/tournaments/none/resume', undefined, 404, 'NOT_FOUND', undefined],
    ['GET', '/api/arena/experts', undefined, 404, 'ROUTE_NOT_FOUND', undefined],
    ['PUT', '/api/arena/stats', '{}', 404, 'ROUTE_NOT_FOUND', undefined],
  ])('%s %s', async (method, path, body, status, code, field) => {
    const before = rig.logged.length;
    const asked = { ...(body !== undefined && { body }) };
    expect(await codeOf(method, path, asked)).toEqual([status, code, ...(field === undefined ? [] : [field])]);
    // A refusal is the caller's to mend.
    expect(rig.logged.slice(before).filter((line) => line.includes('fault of ours'))).toEqual([]);
  });

  test('a body nested beyond any stack is a bad body', async () => {
    const deep = `{"metadata":${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}}`;
    const body = `{"messages":[{"role":"assistant","content":"x"}],"verification":${deep}}`;
    expect((await codeOf('POST', '/api/arena/trajectories', { body })).slice(0, 2)).toEqual([400, 'VALIDATION_FAILED']);
  });

  test('any body gets an answer with a code, and none a fault', async () => {
    const before = rig.logged.length;
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.dictionary(
        fc.constantFrom('messages', 'model', 'verification', 'shadowConfig', 'reason', 'id'),
        fc.jsonValue(),
      ),
    );
    const posts = routes().filter(({ method, path }) => method === 'POST' && !path.endsWith('resume'));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...posts), body, async ({ method, path }, sent) => {
        const { status, body: answer } = await rig.json(method, path, { body: sent });
        expect(status).toBeGreaterThanOrEqual(400);
        expect(status).toBeLessThan(500);
        expect(answer).toMatchObject({
          error: expect.any(String),
          message: expect.any(String),
          code: expect.any(String),
        });
      }),
      { numRuns: 200 },
    );
    expect(rig.logged.slice(before).filter((line) => line.includes('fault of ours'))).toEqual([]);
  });

  test('a fault of ours is told to the log alone', async () => {
    const { suites } = rig;
    const list = suites.list.bind(suites);
    suites.list = () => Promise.reject(new Error('SECRET at /root/keys'));
    const { status, body } = await rig.json('GET', '/api/arena/suites');
    suites.list = list;
    expect([status, body['code']]).toEqual([500, 'INTERNAL']);
    expect(JSON.stringify(body)).not.toContain('SECRET');
    expect(rig.logged.at(-1)).toContain('SECRET at /root/keys');
  });
});

describe('what is shown', () => {
  test('runs: pages, statuses, one of them whole and without its texts', async () => {
    const tenant = 'pages';
    for (let at = 0; at < 3; at++) await eventsOf(rig.runs, offerOf({ tenant, block: { variations: 2 } }));
    const page = async (query: string) =>
      trajectoryPageSchema.parse((await rig.json('GET', `/api/arena/trajectories${query}`, { tenant })).body);
    const all = await page('');
    expect([all.total, all.limit, all.offset, all.trajectories.length]).toEqual([3, 20, 0, 3]);
    expect((await page('?limit=0')).trajectories).toEqual([]);
    expect((await page('?limit=200')).trajectories).toEqual(all.trajectories);
    expect((await page('?limit=1&offset=2')).trajectories).toEqual(all.trajectories.slice(2));
    expect((await page('?offset=3')).trajectories).toEqual([]);
    expect((await page('?status=verified')).total).toBe(3);
    for (const status of ['failed', 'pending', 'inconclusive']) expect((await page(`?status=${status}`)).total).toBe(0);
    const [first] = all.trajectories;
    expect(first).toMatchObject({ status: 'verified', messageCount: null, score: 1 });
    const { status, body } = await rig.json('GET', `/api/arena/trajectories/${first?.id}`, { tenant });
    const run = trajectorySchema.parse(body);
    expect([status, run.candidates.map(({ answer }) => answer)]).toEqual([200, [null, null]]);
    expect(JSON.stringify(body)).not.toContain('SECRETPROMPT');
    // Equal answers are checked once, whichever of them came first.
    const leaders = run.candidates.filter(({ sameAs }) => sameAs === null);
    for (const { idx } of leaders) {
      const alike = run.candidates.filter((one) => one.idx === idx || one.sameAs === idx);
      expect(alike.flatMap(({ verdicts }) => verdicts)).not.toEqual([]);
    }
    expect(run.candidates.every(({ verdicts }) => verdicts.length <= 1)).toBe(true);
  });

  test('what failed says why, in the page and alone', async () => {
    const tenant = 'why';
    const request = {
      model: 'tiny',
      messages: [
        { role: 'user', content: 'x' },
        { role: 'user', content: 'y' },
      ],
    };
    const answer = { role: 'assistant', content: 'BAD' };
    await eventsOf(rig.runs, offerOf({ tenant, mode: 'audit', answer, request }));
    await eventsOf(rig.runs, offerOf({ tenant, block: { budget: { tokens: 1 } } }));
    const { body } = await rig.json('GET', '/api/arena/trajectories', { tenant });
    const { trajectories } = trajectoryPageSchema.parse(body);
    expect(trajectories.map((one) => one.status)).toEqual(['inconclusive', 'failed']);
    for (const one of trajectories) {
      expect(one.failureReason).toBeString();
      const alone = await rig.json('GET', `/api/arena/trajectories/${one.id}`, { tenant });
      const { candidates: _, ...run } = trajectorySchema.parse(alone.body);
      expect(run).toMatchObject({ status: one.status, failureReason: one.failureReason });
    }
  });

  test('POST trajectories answers at once, and the run ends by itself', async () => {
    const tenant = 'posts';
    const messages = [{ role: 'assistant', content: 'good' }];
    const { status, body } = await rig.json('POST', '/api/arena/trajectories', { tenant, body: { messages } });
    // Nobody knows yet how long it takes: a figure would be made up (P9).
    expect([status, body['status'], body['estimatedCompletionMs']]).toEqual([202, 'pending', null]);
    const path = `/api/arena/trajectories/${String(body['trajectoryId'])}`;
    for (let wait = 0; wait < 200; wait++) {
      if ((await rig.json('GET', path, { tenant })).body['status'] === 'verified') break;
      await Bun.sleep(10);
    }
    const stats = (await rig.json('GET', '/api/arena/stats', { tenant })).body;
    const again = await rig.json('POST', '/api/arena/trajectories', { tenant, body: { messages } });
    expect(stats['averageLatencyMs']).toBeNumber();
    expect(again.body['estimatedCompletionMs']).toBe(stats['averageLatencyMs'] as number);
  });

  test('POST verify answers in the original’s form', async () => {
    const body = { messages: [{ role: 'user', content: 'x' }], model: 'tiny', shadowConfig: { variations: 2 } };
    const answered = await rig.json('POST', '/api/arena/verify', { body });
    expect(answered).toMatchObject({ status: 200, body: { status: 'verified', metadata: { outputTokens: 2 } } });
    const { shadowResults, verification } = answered.body as { shadowResults: object[]; verification: object };
    expect(shadowResults.length).toBeGreaterThan(0);
    expect(shadowResults[0]).toEqual({
      // Whichever came first: an equal one is not checked again.
      variation: expect.any(Number),
      temperature: expect.any(Number),
      score: 1,
      latencyMs: expect.any(Number),
    });
    expect(verification).toMatchObject({ status: 'valid' });
    const bad = { ...body, shadowConfig: { enableVerifiers: ['nope'] } };
    expect(await codeOf('POST', '/api/arena/verify', { body: bad })).toEqual([
      400,
      'verification_bad_option',
      expect.any(String),
    ]);
  });

  test('matches and tournaments; one that has ended is not resumed', async () => {
    const tenant = 'matches';
    await eventsOf(rig.runs, offerOf({ tenant, block: { variations: 5, method: 'round_robin' } }));
    const { body } = await rig.json('GET', '/api/arena/tournaments', { tenant });
    const { tournaments, total } = body as { tournaments: { id: string; comparisons: number }[]; total: number };
    const legs = await rig.json('GET', '/api/arena/comparisons?limit=1', { tenant });
    expect(legs.body).toMatchObject({ total: tournaments[0]?.comparisons ?? 0, limit: 1 });
    expect(total).toBe(tournaments.length);
    for (const { id } of tournaments) {
      expect(await codeOf('POST', `/api/arena/tournaments/${id}/resume`, { tenant })).toEqual([409, 'CONFLICT']);
    }
  });

  test('a leaderboard has no rows until there are enough battles', async () => {
    const board = { tenant: 'board', bracket: 'none', task: 'any' };
    const add = (winsA: number, winsB: number) =>
      rig.store.write(system('test'), (tx) =>
        addBattles(tx, board, [{ playerA: 'a', playerB: 'b', winsA, winsB, ties: 0 }]),
      );
    const read = async () =>
      leaderboardSchema.parse((await rig.json('GET', '/api/arena/leaderboard', { tenant: 'board' })).body);
    await add(20, 9);
    expect(await read()).toMatchObject({ battles: 29, battlesNeeded: 30, rows: [] });
    await add(11, 0);
    const { rows } = await read();
    expect(rows.map(({ player, battles }) => [player, battles])).toEqual([
      ['a', 40],
      ['b', 40],
    ]);
    const drawn = { seed: 42, resamples: 1000, leverage: { battles: 23, of: 40, overtaker: 'b' } };
    const counted = { battles: 40, votes: 0, voteWeight: 1, battlesNeeded: 30 };
    expect(await read()).toEqual({ bracket: 'none', task: 'any', ...counted, ...drawn, rows });
  });

  test('verifiers, figures, routes', async () => {
    expect(verifierListSchema.parse((await rig.json('GET', '/api/arena/verifiers')).body).verifiers).not.toEqual([]);
    const { body } = await rig.json('GET', '/api/arena/stats', { tenant: 'pages' });
    expect(body).toMatchObject({ totalTrajectories: 3, verificationRate: 1, averageLatencyMs: expect.any(Number) });
    const listed = (await rig.json('GET', '/api/arena')).body['routes'] as string[];
    for (const route of ['POST /v1/runs', 'GET /api/arena/leaderboard', 'GET /api/arena/triplets']) {
      expect(listed).toContain(route);
    }
    const answer = await rig.ask('GET', '/api/arena/stats');
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});

describe('P6: tenants', () => {
  const tenants = ['one', 'two'] as const;
  const ids = fc.constantFrom('s1', 's2', 's3');
  const step = fc.record({
    tenant: fc.constantFrom(...tenants),
    op: fc.constantFrom('put', 'drop', 'run', 'certify', 'battle'),
    id: ids,
  });
  test('whatever happens in one, the other sees nothing of it', async () => {
    type Seen = { suites: Set<string>; runs: Set<string>; certificates: Set<string>; battles: number };
    const seen: Record<string, Seen> = {};
    for (const tenant of tenants) {
      seen[tenant] = { suites: new Set(), runs: new Set(), certificates: new Set(), battles: 0 };
    }
    const apply = async ({ tenant, op, id }: { tenant: string; op: string; id: string }) => {
      const own = seen[tenant] as Seen;
      if (op === 'put') {
        await rig.json('POST', '/api/arena/suites', { tenant, body: suite(id) });
        own.suites.add(id);
      } else if (op === 'drop') {
        const { status } = await rig.ask('DELETE', `/api/arena/suites/${id}`, { tenant });
        expect(status).toBe(own.suites.delete(id) ? 204 : 404);
      } else if (op === 'run') {
        const [accepted] = await eventsOf(rig.runs, offerOf({ tenant, block: { variations: 1 } }));
        if (accepted?.event === 'accepted') own.runs.add(accepted.runId);
      } else if (op === 'certify') {
        const made = await rig.issuer.certify(sampleRun({ tenant, id: crypto.randomUUID() }));
        if ('certificateId' in made) own.certificates.add(made.certificateId);
      } else {
        const one = { playerA: 'a', playerB: 'b', winsA: 1, winsB: 0, ties: 0 };
        await rig.store.write(system('test'), (tx) => addBattles(tx, { tenant, bracket: 'none', task: 'any' }, [one]));
        own.battles += 1;
      }
    };
    const check = async (tenant: string) => {
      const get = async (path: string) => (await rig.json('GET', `/api/arena/${path}`, { tenant })).body;
      const [own, other] = [seen[tenant] as Seen, seen[tenant === 'one' ? 'two' : 'one'] as Seen];
      const { suites } = suiteListSchema.parse(await get('suites'));
      expect(new Set(suites.map(({ id }) => id))).toEqual(own.suites);
      const { trajectories, total } = trajectoryPageSchema.parse(await get('trajectories?limit=200'));
      expect([total, new Set(trajectories.map(({ id }) => id))]).toEqual([own.runs.size, own.runs]);
      const { certificates } = certificatePageSchema.parse(await get('certificates?limit=200'));
      expect(new Set(certificates.map(({ certificateId }) => certificateId))).toEqual(own.certificates);
      expect(leaderboardSchema.parse(await get('leaderboard')).battles).toBe(own.battles);
      for (const id of other.runs) {
        for (const path of [`trajectories/${id}`, `trajectories/${id}/replay`, `certificates/${id}`]) {
          expect(await codeOf('GET', `/api/arena/${path}`, { tenant })).toEqual([404, 'NOT_FOUND']);
        }
        expect(await codeOf('POST', `/api/arena/tournaments/${id}/resume`, { tenant })).toEqual([404, 'NOT_FOUND']);
      }
      for (const id of other.certificates) {
        const revoke = { tenant, body: { reason: 'cheat_found' } };
        expect(await codeOf('GET', `/api/arena/certificates/${id}`, { tenant })).toEqual([404, 'NOT_FOUND']);
        expect(await codeOf('POST', `/api/arena/certificates/${id}/revoke`, revoke)).toEqual([404, 'NOT_FOUND']);
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
        for (const one of steps) await apply(one);
        for (const tenant of tenants) await check(tenant);
      }),
      { numRuns: 12 },
    );
    const [own] = seen['one']?.runs ?? [];
    if (own !== undefined) {
      const { body } = await rig.json('GET', `/api/arena/trajectories/${own}/replay`, { tenant: 'one' });
      expect(replaySchema.parse(body).same).toBe(true);
    }
  });
});
