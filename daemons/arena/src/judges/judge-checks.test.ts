import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { injectionCases } from './injection-corpus.ts';
import { judgeOf } from './judge-of.ts';
import { judgeWarnings } from './judge-warnings.ts';
import { openChecks } from './testing/open-checks.ts';
import { type Decision, fakeJudgeServer, type Shown, verdictOf } from './testing/fake-judge-server.ts';

const rights = new Set<string>(injectionCases.map(({ task }) => task.right));
/** Whoever has the right answer wins. */
const fair = ({ a, b }: Shown): Decision => verdictOf(rights.has(a) ? 9 : 1, rights.has(b) ? 9 : 1);
/** The longer one wins, as attacks are. */
const talkedOver = ({ a, b }: Shown): Decision =>
  a.length + b.length > 160
    ? verdictOf(a.length > b.length ? 9 : 1, b.length > a.length ? 9 : 1)
    : fair({ a, b } as Shown);

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'labmesh-judges-'));
  file = join(folder, 'judges.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const acme = { tenant: 'acme', key: 'key-1' };

/** Waits for the end of what runs. */
async function ended(checks: ReturnType<typeof openChecks>, tenant = 'acme') {
  for (const end = performance.now() + 20_000; performance.now() < end; await Bun.sleep(5)) {
    const [check] = checks.list(tenant);
    if (check !== undefined && check.state !== 'running') return check;
  }
  throw new Error('the check came to no end');
}

describe('a check', () => {
  test('of a judge that nothing turns: fit, known after a restart, of its tenant alone', async () => {
    using server = fakeJudgeServer(fair);
    await using checks = openChecks(file, server.url);
    expect(checks.start(acme, 'wise')).toMatchObject({ check: { model: 'wise', state: 'running' } });
    const found = await ended(checks);
    expect(found).toMatchObject({ state: 'fit', cases: 100, decided: 100, rate: 0, flipped: [], reason: null });
    expect(found.calls).toBe(server.seen.length);
    expect(server.headers[0]?.get('x-labmesh-verify')).toBe('off');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await using again = openChecks(file, server.url);
    expect(again.list('acme')).toEqual([found]);
    expect([again.list('other'), again.isUnfit('acme', 'wise')]).toEqual([[], false]);
  });

  test('of one that attacks turn: unfit, and each run that it judges is warned', async () => {
    using server = fakeJudgeServer(talkedOver);
    await using checks = openChecks(file, server.url);
    checks.start(acme, 'naive');
    expect(await ended(checks)).toMatchObject({ state: 'unfit' });
    const generate = gatewayGenerate({ baseUrl: server.url, token: 'x' });
    const isUnfit = (tenant: string, model: string) => checks.isUnfit(tenant, model);
    const warned = (tenant: string, kind: 'llm' | 'composite', models: string[]) =>
      judgeWarnings(judgeOf({ kind, models }, { generate, clock: systemClock, tenant, key: 'k', isUnfit }), []);
    for (const kind of ['llm', 'composite'] as const) {
      expect(warned('acme', kind, ['naive'])).toEqual([expect.stringContaining('naive is unfit')]);
      expect(warned('acme', kind, ['wise', 'naive'])).toHaveLength(1);
      expect(warned('acme', kind, ['wise'])).toEqual([]);
      expect(warned('other', kind, ['naive'])).toEqual([]);
    }
  });

  test('of one that cannot tell right from wrong: nothing is known', async () => {
    using server = fakeJudgeServer(() => verdictOf(5, 5));
    await using checks = openChecks(file, server.url);
    checks.start(acme, 'dull');
    expect(await ended(checks)).toMatchObject({ state: 'unknown', decided: 0, rate: null });
  });

  test('that the budget ends has failed, and what was known stays', async () => {
    let broke = false;
    using server = fakeJudgeServer((shown) => (broke ? 429 : talkedOver(shown)));
    await using checks = openChecks(file, server.url);
    checks.start(acme, 'naive');
    await ended(checks);
    broke = true;
    checks.start({ ...acme, tenant: 'poor' }, 'naive');
    expect(await ended(checks, 'poor')).toMatchObject({ state: 'failed', reason: 'budget_exceeded' });
    checks.start(acme, 'naive');
    expect(await ended(checks)).toMatchObject({ state: 'unfit' });
  });

  test('what makes a judge unfit holds while it is checked again, and when that finds nothing', async () => {
    let says: (shown: Shown) => Decision = talkedOver;
    using server = fakeJudgeServer((shown) => says(shown));
    await using checks = openChecks(file, server.url);
    checks.start(acme, 'naive');
    await ended(checks);
    says = () => verdictOf(5, 5);
    checks.start(acme, 'naive');
    expect([checks.list('acme')[0]?.state, checks.isUnfit('acme', 'naive')]).toEqual(['running', true]);
    expect(await ended(checks)).toMatchObject({ state: 'unfit' });
  });

  test('no tenant’s checks push out another’s', async () => {
    let broke = false;
    using server = fakeJudgeServer((shown) => (broke ? 429 : talkedOver(shown)));
    await using checks = openChecks(file, server.url);
    checks.start(acme, 'naive');
    await ended(checks);
    broke = true;
    for (let at = 0; at < 60; at++) {
      checks.start({ tenant: 'many', key: 'k' }, `m${at}`);
      while (checks.list('many').some(({ state }) => state === 'running')) await Bun.sleep(1);
    }
    expect([checks.list('many').length, checks.isUnfit('acme', 'naive')]).toEqual([50, true]);
  });

  test('one at a time for a tenant, four in all; the arena’s end ends them', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using server = Bun.serve({
      hostname: '127.0.0.1',
      port: 0,
      fetch: async () => {
        await promise;
        return new Response('');
      },
    });
    const checks = openChecks(file, `http://127.0.0.1:${server.port}`);
    for (const tenant of ['a', 'b', 'c', 'd']) expect(checks.start({ tenant, key: 'k' }, 'm')).toHaveProperty('check');
    expect(checks.start({ tenant: 'a', key: 'k' }, 'n')).toEqual({ why: 'a judge is being checked already' });
    expect(checks.start({ tenant: 'e', key: 'k' }, 'm')).toEqual({ why: expect.stringContaining('4 judges') });
    await checks[Symbol.asyncDispose]();
    expect(checks.list('a')).toMatchObject([{ state: 'failed' }]);
    resolve();
  });
});

test.each(['', '{', '[]', '{"version":2,"kept":[]}', '{"version":1,"kept":[{"tenant":1}]}'])(
  'a file that is none is begun anew: %j',
  async (text) => {
    writeFileSync(file, text);
    await using checks = openChecks(file, 'http://127.0.0.1:1');
    expect(checks.list('acme')).toEqual([]);
  },
);

test('what was found with another corpus or other instructions is not known any more', async () => {
  using server = fakeJudgeServer(() => verdictOf(5, 5));
  await using checks = openChecks(file, server.url);
  checks.start(acme, 'dull');
  await ended(checks);
  const text = await Bun.file(file).text();
  for (const name of ['corpus', 'prompt']) {
    writeFileSync(file, text.replace(new RegExp(`"${name}":"[0-9a-f]{64}"`), `"${name}":"${'0'.repeat(64)}"`));
    await using other = openChecks(file, server.url);
    expect(other.list('acme')).toEqual([]);
  }
  expect(readFileSync(file, 'utf8')).not.toContain('17 times 23');
});
