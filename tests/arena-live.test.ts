/** News of a real arena through a real gateway (verification AR23): what a run does, to its tenant, as it does it. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { livePath } from '@labmesh/wire/verification/arena-live';
import { ArenaGround } from './harness/arena-ground.ts';
import { LabctlHome } from './harness/labctl-process.ts';
import { LiveListener } from './harness/live-listener.ts';
import { bearer } from './harness/verification-ground.ts';

const storyMs = 60_000;
/** Nothing runs: the code is only read. */
const block = { mode: 'intercept', verifiers: ['code_linter'], variations: 2, correction: false };

describe('an arena that is listened to', () => {
  let ground: ArenaGround;
  let base: string;
  let others: string;
  beforeAll(async () => {
    ground = await ArenaGround.start();
    base = ground.mesh.gateway.api.replace(/\/v1$/, '');
    others = await ground.otherTenant();
  }, storyMs);
  afterAll(() => ground[Symbol.asyncDispose]());

  const listen = (key = ground.mesh.key) => new LiveListener(base, bearer(key).headers).settled();
  let count = 0;
  const verified = async () => {
    const answer = await ground.chat(`\`\`\`python\nprint(${count++})\n\`\`\``, block);
    return ((await answer.json()) as { verification: { run_id: string; certificate_id: string } }).verification;
  };

  test(
    'a run from its first step to its certificate, to its tenant alone; what is told can be read at once',
    async () => {
      using mine = await listen();
      using theirs = await listen(others);
      for (const one of [mine, theirs])
        await one.subscribe('runs', 'certificates', 'stats', 'verifiers', 'leaderboard');
      const { run_id: run, certificate_id: certificate } = await verified();
      await mine.until(() => mine.of('certificates').length > 0);
      const states = mine.of('runs').map(({ data }) => data['state']);
      expect(states).toEqual(expect.arrayContaining(['queued', 'generating', 'verifying', 'certifying']));
      expect(mine.of('runs').at(-1)?.data).toMatchObject({ event: 'result', runId: run, status: 'valid' });
      expect(mine.of('certificates')[0]?.data).toEqual({ event: 'issued', certificateId: certificate, runId: run });
      expect(mine.of('stats')).toHaveLength(1);
      for (const topic of ['runs', 'certificates']) {
        expect(mine.of(topic).map(({ seq }) => seq)).toEqual(mine.of(topic).map((_, at) => at + 1));
      }
      const shown = (await (await ground.get(livePath(`run:${run}`))).json()) as { status: string };
      expect(shown.status).toBe('verified');
      for (const topic of ['runs', 'certificates', 'stats', 'leaderboard', 'verifiers']) {
        expect([topic, (await ground.get(livePath(topic))).status]).toEqual([topic, 200]);
      }

      // Revoked by who asks over the API: told to the same.
      const revoke = `${base}/api/arena/certificates/${certificate}/revoke`;
      const init = { method: 'POST', body: '{"reason":"tenant_request"}', ...bearer(ground.mesh.key) };
      expect((await fetch(revoke, init)).status).toBe(200);
      await mine.until(() => mine.of('certificates').length > 1);
      expect(mine.of('certificates')[1]?.data).toEqual({ event: 'revoked', certificateId: certificate });
      expect(theirs.news).toEqual([]);
      expect(JSON.stringify(mine.news)).not.toContain('print(');
    },
    storyMs,
  );

  test(
    'labctl arena watch, until it is told to stop',
    async () => {
      using home = new LabctlHome();
      await using watch = home.start(
        'arena',
        'watch',
        'runs',
        '--api',
        ground.mesh.gateway.api,
        '--key',
        others,
        '--json',
      );
      await using mine = home.start('arena', 'watch', '--api', ground.mesh.gateway.api, '--key', ground.mesh.key);
      // It says nothing when it has begun to listen: runs are made until one is heard.
      let run = '';
      for (const end = performance.now() + storyMs; !mine.stdout.includes(`runId=${run}`) || run === '';) {
        if (performance.now() > end) throw new Error(`nothing was heard: ${mine.stderr}`);
        run = (await verified()).run_id;
      }
      await mine.says('certificates  issued');
      expect(mine.stdout).toMatch(/\d\d:\d\d:\d\d {2}runs {10}state runId=/);
      expect(watch.stdout).toBe('');
      for (const one of [mine, watch]) one.signal('SIGINT');
      expect(await mine.exited).toBe(0);
      await watch.exited;
      const refused = await home.run('arena', 'watch', '--api', ground.mesh.gateway.api, '--key', 'lmk_nothing');
      expect(refused.exitCode).not.toBe(0);
      expect((await home.run('arena', 'watch', 'nonsense', '--api', ground.mesh.gateway.api)).exitCode).toBe(2);
    },
    storyMs * 2,
  );

  test(
    'an arena that ends sends everybody away',
    async () => {
      using mine = await listen();
      await mine.subscribe('runs');
      await ground.arena[Symbol.asyncDispose]();
      await mine.until(() => mine.closed !== undefined);
      expect(mine.closed?.[0]).toBe(1013);
    },
    storyMs,
  );
});
