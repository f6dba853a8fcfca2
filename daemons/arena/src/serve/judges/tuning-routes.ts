/** Tunings of judges and their approval (verification AR17). */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { approveJudgeSchema, tuneJudgeSchema, tuningLimits } from '@labmesh/wire/verification/judge-views';
import type { Hono } from 'hono';
import { type GoldParts, goldParts } from '../../judges/tune/gold-comparison.ts';
import type { JudgeTunings } from '../../judges/tune/judge-tunings.ts';
import { goldComparisons } from '../../pairs/review/gold-comparisons.ts';
import { keyOf, tenantOf } from '../arena-caller.ts';
import { ArenaRefused, readJson } from '../arena-refused.ts';

export type TuningParts = { store: Store; judgeTunings: JudgeTunings };

const who = system('arena-judges');
const bodyBytesMost = 4_096;
/** Of the gold comparisons: below, nothing can be said of what was found. */
const heldOutLeast = 8;

/** @throws ArenaRefused CONFLICT, with what is missing and where it comes from */
async function goldOf(store: Store, tenant: string, seed: number): Promise<GoldParts> {
  const gold = await store.read(who, (db) => goldComparisons(db, tenant));
  const { goldLeast } = tuningLimits;
  if (gold.length < goldLeast) {
    const missing = goldLeast - gold.length;
    throw new ArenaRefused(
      'CONFLICT',
      `a judge is tuned by ${goldLeast} gold pairs, and ${missing} are missing: labctl datasets label makes them`,
    );
  }
  const parts = goldParts(gold, seed);
  if (parts.heldOut.length < heldOutLeast || parts.train.length < heldOutLeast) {
    throw new ArenaRefused(
      'CONFLICT',
      'the gold pairs are of too few tasks to hold a third out: label answers of more runs (labctl datasets label)',
    );
  }
  return parts;
}

export function tuningRoutes(app: Hono, { store, judgeTunings }: TuningParts): void {
  // Hundreds of calls: it is answered at once, and looked at in the list.
  app.post('/api/arena/judges/tune', async (c) => {
    const asked = await readJson(c, tuneJudgeSchema, bodyBytesMost);
    const payer = { tenant: tenantOf(c), key: keyOf(c) };
    const started = await judgeTunings.start(payer, asked, await goldOf(store, payer.tenant, asked.seed));
    if ('why' in started) throw new ArenaRefused('CONFLICT', started.why);
    return c.json(started.tuning, 202);
  });
  app.post('/api/arena/judges/approve', async (c) => {
    const asked = await readJson(c, approveJudgeSchema, bodyBytesMost);
    const found = await judgeTunings.approve(tenantOf(c), keyOf(c), asked);
    if ('why' in found) throw new ArenaRefused('CONFLICT', found.why);
    return c.json(found);
  });
}
