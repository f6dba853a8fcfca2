/** Whatever engines do and when, the events of a run tell one story, and every call is a row. */
import { expect, test } from 'bun:test';
import { system } from '@labmesh/wire/fleet/principal';
import { type ArenaEvent, arenaEventSchema } from '@labmesh/wire/verification/arena-run';
import fc from 'fast-check';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { runDefaults } from './run-settings.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const ways = ['good', 'good and longer', 'BAD', 'ERR', 'PLAIN', 'fails', 'cut', 'huge'] as const;
type Way = (typeof ways)[number];

function scriptOf(way: Way, delayMs: number) {
  if (way === 'fails') return { status: 503, body: '{}' };
  if (way === 'huge') return { parts: Array.from({ length: 120 }, () => 'x'.repeat(1_000)) };
  return { parts: [way], delayMs, cut: way === 'cut' };
}

/** What a reader may rely on. */
function checkStory(events: readonly ArenaEvent[]): void {
  expect(events[0]?.event).toBe('accepted');
  expect(events.filter(({ event }) => event === 'result' || event === 'error')).toHaveLength(1);
  expect(['result', 'error']).toContain(events.at(-1)?.event ?? '');
  const generated = new Set<number>();
  const told = new Set<string>();
  for (const event of events) {
    expect(arenaEventSchema.safeParse(event).success).toBe(true);
    if (event.event === 'candidate' && event.state === 'generated') generated.add(event.index);
    if (event.event === 'outcome') told.add(`${event.index}/${event.attempt}`);
    // Nothing is said of an answer before it is there, and nobody is compared before it is verified.
    if (event.event === 'verdict' || event.event === 'outcome') expect(generated.has(event.index)).toBe(true);
    if (event.event === 'match') {
      for (const index of [event.a, event.b])
        expect([...told].some((place) => place.startsWith(`${index}/`))).toBe(true);
    }
  }
}

const run = fc.record({
  first: fc.array(fc.record({ way: fc.constantFrom(...ways), delayMs: fc.nat(15) }), { minLength: 1, maxLength: 5 }),
  mended: fc.constantFrom(...ways),
  earlyStop: fc.boolean(),
  parallel: fc.boolean(),
});

test('any mixture of engines, order and settings', async () => {
  await using gateway = new FakeGateway();
  await fc.assert(
    fc.asyncProperty(run, async ({ first, mended, earlyStop, parallel }) => {
      let calls = 0;
      gateway.script = ({ messages }) => {
        if (messages.length > 1) return scriptOf(mended, 1);
        const { way, delayMs } = first[calls++ % first.length] as (typeof first)[number];
        return scriptOf(way, delayMs);
      };
      await using rig = await openRig({
        gateway,
        settings: {
          earlyStop: { ...runDefaults.earlyStop, enabled: earlyStop, delayMs: 1 },
          shadow: { ...runDefaults.shadow, parallel },
        },
      });
      const before = gateway.heard.length;
      const events = await eventsOf(rig.runs, offerOf({ block: { variations: first.length } }));
      checkStory(events);
      const [result] = only(events, 'result');
      const rows = await rig.store.read(system('test'), (db) =>
        db.selectFrom('arena_candidates').select(['state', 'outcome', 'attempt']).execute(),
      );
      // No call without its row; certified only what is valid.
      expect(gateway.heard.length - before).toBeLessThanOrEqual(rows.length);
      expect(rows.some(({ state }) => state === 'pending')).toBe(false);
      expect(rig.certified.length > 0).toBe(result?.report.status === 'valid');
      expect(result?.report.status === 'valid').toBe(rows.some(({ outcome }) => outcome === 'valid'));
      for (const { final, reward } of rig.finished[0]?.candidates ?? []) {
        expect(Number.isFinite(reward)).toBe(true);
        if (final?.aggregate.outcome === 'valid') expect(final.answer.content).toContain('good');
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);
