/**
 * Judges as their tenant sees them: how they do in matches, whether answers can talk them over, and what they are told
 * (verification AR13, AR14, AR17).
 */
import type { Store } from '@labmesh/store/store';
import type { JudgesView } from '@labmesh/wire/verification/judge-views';
import { Hono } from 'hono';
import { z } from 'zod';
import { judgeCalls } from '../../judges/judge-calls.ts';
import type { JudgeChecks } from '../../judges/judge-checks.ts';
import { instructionsSha256, usualInstructions } from '../../judges/judge-prompt.ts';
import { keyOf, tenantOf } from '../arena-caller.ts';
import { ArenaRefused, readJson } from '../arena-refused.ts';
import { type LeaderboardParts, leaderboardRoute } from './leaderboard-route.ts';
import { type TuningParts, tuningRoutes } from './tuning-routes.ts';

export type JudgeParts = TuningParts & LeaderboardParts & { store: Store; judgeChecks: JudgeChecks };

const checkSchema = z.strictObject({ model: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'is not the name of a model') });
const bodyBytesMost = 4_096;
const usual = instructionsSha256(usualInstructions);

export function judgeRoutes(parts: JudgeParts): Hono {
  const { store, judgeChecks, judgeTunings } = parts;
  const app = new Hono();
  app.get('/api/arena/judges', async (c) => {
    const tenant = tenantOf(c);
    const known = await judgeTunings.known(tenant);
    const prompts = new Map(known.approved.map(({ model, prompt }) => [model, prompt]));
    // What a check found of a judge that was told something else says nothing of it now.
    const checks = judgeChecks.list(tenant, (model) => prompts.get(model) ?? usual);
    const view: JudgesView = { judges: await judgeCalls(store, tenant), checks, ...known };
    return c.json(view);
  });
  // About 210 calls: it is answered at once, and looked at in the list.
  app.post('/api/arena/judges/check', async (c) => {
    const { model } = await readJson(c, checkSchema, bodyBytesMost);
    const payer = { tenant: tenantOf(c), key: keyOf(c) };
    const told = (await judgeTunings.instructions(payer.tenant)).find((one) => one.model === model);
    const started = judgeChecks.start(payer, model, told?.text);
    if ('why' in started) throw new ArenaRefused('CONFLICT', started.why);
    return c.json(started.check, 202);
  });
  tuningRoutes(app, parts);
  app.route('/', leaderboardRoute(parts));
  return app;
}
