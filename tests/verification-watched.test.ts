/** What a client of audit and shadow gets for the id that its answer came with (verification RP3, RP6, gateway G-31). */
import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { closeTestRunner, sandboxMissing } from '@labmesh/arena/verify/testing/test-runner';
import { ArenaGround } from './harness/arena-ground.ts';

const storyMs = 60_000;
const good = '```python\nprint(sum([1, 2]))\n```';
const idHeader = 'x-labmesh-verification-request';

describe.skipIf(sandboxMissing !== undefined)(`audit and shadow through a real arena ${sandboxMissing ?? ''}`, () => {
  let ground: ArenaGround;
  beforeAll(async () => {
    ground = await ArenaGround.start();
  }, storyMs);
  afterAll(async () => {
    await ground[Symbol.asyncDispose]();
    await closeTestRunner();
  });

  /** The answer once the run has ended; until then it is not there, and says why. */
  async function ended(id: string): Promise<Response> {
    for (const end = Date.now() + 50_000; Date.now() < end; await Bun.sleep(50)) {
      const response = await ground.get(`/v1/certificates/${id}`);
      if (response.status !== 404) return response;
      const { message } = (await response.json()) as { message: string };
      // The offer is made after the answer: for a moment nobody knows of it.
      if (!/has not ended yet|there is no certificate/.test(message)) throw new Error(message);
    }
    throw new Error('the run did not end');
  }

  test.each([
    ['audit', false],
    ['audit', true],
    ['shadow', false],
    ['shadow', true],
  ] as const)(
    '%s, stream %p: the certificate is fetched by the id in the head',
    async (mode, stream) => {
      const answer = await ground.chat(good, { mode, variations: 2 }, { stream });
      expect(answer.headers.get('x-labmesh-verification')).toBe('pending');
      const id = answer.headers.get(idHeader) ?? '';
      expect(id).not.toBe('');
      expect(await answer.text()).toContain('sum([1, 2])');
      const given = await ended(id);
      expect(given.status).toBe(200);
      const bundle = (await given.json()) as { statement: { predicate: { labmesh: { trajectory_id: string } } } };
      const run = bundle.statement.predicate.labmesh.trajectory_id;
      expect(await (await ground.get(`/v1/certificates/${run}`)).json()).toEqual(bundle);
      expect(await (await ground.get(`/v1/certificates/${id}?view=summary`)).json()).toMatchObject({ runId: run });
      expect(await (await ground.get(`/api/arena/trajectories/${id}`)).json()).toMatchObject({
        id: run,
        mode,
        status: 'verified',
      });
      const other = await ground.otherTenant();
      expect((await ground.get(`/v1/certificates/${id}`, other)).status).toBe(404);
      expect((await ground.get(`/api/arena/trajectories/${id}`, other)).status).toBe(404);
    },
    storyMs,
  );

  test(
    'an answer that failed has no certificate, and says so',
    async () => {
      const answer = await ground.chat('```python\nraise SystemExit(3)\n```', { mode: 'audit' });
      const id = answer.headers.get(idHeader) ?? '';
      await answer.text();
      expect(await thrower(ended(id))).toThrow('ended failed, without a certificate');
    },
    storyMs,
  );
});
