/** Ratings of models from their battles (verification AR15, AR17): matches of runs, and what people said of answers. */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { Store } from '@labmesh/store/store';
import { ApiError } from '@labmesh/wire/errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { Leaderboard } from '@labmesh/wire/verification/arena-views';
import { brackets } from '@labmesh/wire/verification/verification-block';
import { Hono } from 'hono';
import { z } from 'zod';
import { boardReader, type BoardReading } from '../../ratings/board-reader.ts';
import { battlesLeast } from '../../ratings/leaderboard.ts';
import { tenantOf } from '../arena-caller.ts';
import { ArenaRefused, readBy } from '../arena-refused.ts';

const who = system('arena-leaderboard');
const querySchema = z.strictObject({
  bracket: z.enum(brackets).default('none'),
  task: z
    .string()
    .regex(/^[a-z_]{1,64}$/, 'is not the name of a task class')
    .default('any'),
  style: z.enum(['true', 'false']).default('false'),
});

export type LeaderboardParts = {
  store: Store;
  /** `arena.human_weight`: of a vote beside a match; 0 = votes do not count. */
  humanWeight: number;
};

function viewOf({ board: found, style }: BoardReading): Omit<Leaderboard, 'bracket' | 'task' | 'voteWeight'> {
  const { battles, votes } = found;
  const counted = { battles, votes, battlesNeeded: battlesLeast };
  if (found.state === 'few') return { ...counted, ...(style !== undefined && { style }), rows: [] };
  const { seed, resamples } = found;
  const rows = found.rows.map(({ low, high, ...one }) => ({ ...one, lower: low, upper: high }));
  const more = style === undefined ? { leverage: 'leverage' in found ? found.leverage : null } : { style };
  return { ...counted, seed, resamples, ...more, rows };
}

/** @param read replaced in tests */
export function leaderboardRoute(
  { store, humanWeight }: LeaderboardParts,
  read: ReturnType<typeof boardReader> = boardReader(humanWeight),
): Hono {
  const app = new Hono();
  app.get('/api/arena/leaderboard', async (c) => {
    const { bracket, task, style } = readBy(querySchema, c.req.query());
    const board = { tenant: tenantOf(c), bracket, task };
    try {
      const counted = await store.read(who, (db) => read.battles(db, board, style === 'true'));
      const view: Leaderboard = { bracket, task, voteWeight: humanWeight, ...viewOf(await read.rank(board, counted)) };
      return c.json(view);
    } catch (error) {
      if (error instanceof RangeError) throw new ArenaRefused('CONFLICT', `no board for this: ${error.message}`);
      if (error instanceof BoundPassed)
        throw new ApiError('arena_busy', { message: 'as many boards wait for their fit as may', log: error.message });
      throw error;
    }
  });
  return app;
}
