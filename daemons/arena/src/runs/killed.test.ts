/** AR16: a process that dies at any moment; what it had written is not done again, and the bracket is the same. */
import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { system } from '@labmesh/wire/fleet/principal';
import { openStore } from '@labmesh/store/open-store';
import { TempFolder } from '@labmesh/store/testing/temp-store';
import type { ChatCompletionRequest } from '@labmesh/wire/openai';
import { arenaEventSchema, type ArenaEvent, type RunOffer } from '@labmesh/wire/verification/arena-run';
import { FakeGateway, type Script } from '../generate/testing/fake-gateway.ts';
import { readBattles } from '../ratings/battle-counts.ts';
import { readCandidates } from '../rows/candidate-rows.ts';
import { readLegs } from '../rows/match-rows.ts';
import { offerOf, only } from './testing/offers.ts';

const main = join(import.meta.dir, 'testing/engine-main.ts');
/** By model, so that a variation gets the same whenever it is asked: two alike, and one that is mended at the second try. */
const texts: Record<string, string> = {
  m0: 'good',
  m1: 'good and long',
  m2: 'BAD',
  m3: 'good and long',
  m4: 'good, longer than them all',
};

function script({ model, messages }: ChatCompletionRequest): Script {
  const wrong = messages.findLast(({ role }) => role === 'assistant')?.content;
  if (wrong === undefined) return { parts: [texts[model] ?? ''], delayMs: 20 };
  return { parts: [wrong === 'BAD' ? 'BAD again' : 'good at last'], delayMs: 20 };
}

type Until = (event: ArenaEvent | { judged: true } | { certifying: number }, seen: number) => boolean;

/** Runs the engine until the condition holds, then kills it; to its end without one. @returns its lines. */
async function run(url: string, gateway: string, offer: RunOffer, until?: Until): Promise<ArenaEvent[]> {
  const child = Bun.spawn([process.execPath, main, url, gateway, JSON.stringify(offer), '5', '50'], {
    stderr: 'inherit',
  });
  const events: ArenaEvent[] = [];
  let text = '';
  let seen = 0;
  for await (const bytes of child.stdout) {
    text += new TextDecoder().decode(bytes);
    const lines = text.split('\n');
    text = lines.pop() ?? '';
    for (const line of lines) {
      const value = JSON.parse(line) as ArenaEvent;
      const event = arenaEventSchema.safeParse(value);
      if (event.success) events.push(event.data);
      if (until?.(value, ++seen) === true) {
        child.kill('SIGKILL');
        await child.exited;
        return events;
      }
    }
  }
  await child.exited;
  return events;
}

async function rowsOf(url: string) {
  await using store = await openStore({ url });
  return await store.read(system('test'), async (db) => {
    const { id } = await db.selectFrom('arena_runs').select('id').executeTakeFirstOrThrow();
    const board = { tenant: 'acme', bracket: 'none', task: 'any' };
    return {
      candidates: await readCandidates(db, id),
      legs: await readLegs(db, id),
      battles: await readBattles(db, board),
    };
  });
}

const is = (name: ArenaEvent['event']) => (value: object) => 'event' in value && value.event === name;
const moments: Record<string, Until> = {
  'queued, taken a moment ago': is('accepted'),
  'generating, nothing there yet': (value) =>
    is('candidate')(value) && (value as { state: string }).state === 'generating',
  'generating, one answer there': (value) =>
    is('candidate')(value) && (value as { state: string }).state === 'generated',
  'verifying, a verdict told': is('verdict'),
  'verifying, an outcome written': is('outcome'),
  correcting: (value) => is('correction')(value) && (value as { status: string }).status === 'in_progress',
  'correcting, one attempt failed': (value) =>
    is('correction')(value) && (value as { status: string }).status === 'failed',
  'judging, a leg under way': (value) => 'judged' in value,
  'judging, a match played': is('match'),
  certifying: (value) => 'certifying' in value,
};

const players = [0, 1, 2, 4];
const bracket = players
  .flatMap((a) => players.filter((b) => b > a).flatMap((b) => [`0/${a}/${b}/ab`, `0/${a}/${b}/ba`]))
  .toSorted();

describe('SIGKILL', () => {
  for (const [moment, until] of Object.entries(moments)) {
    test(moment, async () => {
      using folder = new TempFolder();
      await using gateway = new FakeGateway(script);
      const url = await folder.nextUrl();
      const offer = offerOf({
        request: { model: 'm0', messages: [{ role: 'user', content: 'add' }] },
        block: { correction: 2, strategy: 'model_ensemble', models: ['m1', 'm2', 'm3', 'm4'] },
      });
      await run(url, gateway.url, offer, until);
      const before = await rowsOf(url);
      const done = gateway.count('done');
      const events = await run(url, gateway.url, offer);
      const [result] = only(events, 'result');
      expect(result?.report.status).toBe('valid');
      const after = await rowsOf(url);
      // What stood in a row was not asked for again: as many calls as rows, and those that died without one.
      for (const row of before.candidates.filter(({ state }) => state === 'generated')) {
        const now = after.candidates.find(({ idx, attempt }) => idx === row.idx && attempt === row.attempt);
        expect([now?.digest, now?.latencyMs]).toEqual([row.digest, row.latencyMs]);
      }
      const written = before.candidates.filter(({ state }) => state === 'generated').length;
      const paid = after.candidates.filter(({ state }) => state === 'generated').length;
      expect(gateway.count('done') - done).toBe(paid - written);
      // Words of judges go when the run ends.
      const told = before.legs.map((leg) => ({ ...leg, rationale: null }));
      expect(after.legs.slice(0, told.length)).toEqual(told);
      const keys = after.legs.map(({ round, a, b, leg }) => `${round}/${a}/${b}/${leg}`);
      expect(new Set(keys).size).toBe(keys.length);
      // The bracket of a run that nobody killed: four distinct answers in the end, all valid, each pair in both orders.
      expect(keys.toSorted()).toEqual(bracket);
      expect(after.candidates.find(({ idx }) => idx === 3)?.sameAs).toBe(1);
      // Each match counts once for its two models, and only when the run has ended.
      const counted = ({ battles }: typeof after) =>
        battles.map(({ playerA, playerB, winsA, winsB, ties }) => [playerA, playerB, winsA + winsB + ties]);
      expect(counted(before)).toEqual([]);
      expect(counted(after)).toEqual(
        players.flatMap((a) => players.filter((b) => b > a).map((b) => [`m${a}-engine`, `m${b}-engine`, 1])),
      );
    });
  }
});
