/** Ratings of models from their battles (verification AR15, AR17). */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Leaderboard } from '@labmesh/wire/verification/arena-views';
import { brackets } from '@labmesh/wire/verification/verification-block';
import { Hono } from 'hono';
import { z } from 'zod';
import { type BattleCount, readBattles } from '../../ratings/battle-counts.ts';
import { battlesLeast, keptLeaderboards } from '../../ratings/leaderboard.ts';
import { tenantOf } from '../arena-caller.ts';
import { ArenaRefused, readBy } from '../arena-refused.ts';

const who = system('arena-leaderboard');
/** Recorded beside the ratings: the same counts give the same intervals. */
const seed = 42;
const querySchema = z.strictObject({
  bracket: z.enum(brackets).default('none'),
  task: z
    .string()
    .regex(/^[a-z_]{1,64}$/, 'is not the name of a task class')
    .default('any'),
});

type Boards = ReturnType<typeof keptLeaderboards>;

/** @throws ArenaRefused CONFLICT for more models than a board ranks */
async function ranked(boards: Boards, name: string, counts: readonly BattleCount[]): ReturnType<Boards> {
  try {
    return await boards(name, counts, seed);
  } catch (error) {
    if (error instanceof RangeError) throw new ArenaRefused('CONFLICT', `no board for this: ${error.message}`);
    throw error;
  }
}

export function leaderboardRoute(store: Store): Hono {
  const app = new Hono();
  const boards = keptLeaderboards();
  app.get('/api/arena/leaderboard', async (c) => {
    const { bracket, task } = readBy(querySchema, c.req.query());
    const board = { tenant: tenantOf(c), bracket, task };
    const counts = await store.read(who, (db) => readBattles(db, board));
    const found = await ranked(boards, JSON.stringify(board), counts);
    const rows =
      found.state === 'few' ? [] : found.rows.map(({ low, high, ...one }) => ({ ...one, lower: low, upper: high }));
    const drawn =
      found.state === 'few' ? {} : { seed: found.seed, resamples: found.resamples, leverage: found.leverage };
    const view: Leaderboard = { bracket, task, battles: found.battles, battlesNeeded: battlesLeast, ...drawn, rows };
    return c.json(view);
  });
  return app;
}
