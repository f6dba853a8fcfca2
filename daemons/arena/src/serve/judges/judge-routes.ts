/** Judges as their tenant sees them: how they do in matches, and whether answers can talk them over (verification AR13, AR14). */
import type { Store } from '@labmesh/store/store';
import type { JudgesView } from '@labmesh/wire/verification/judge-views';
import { Hono } from 'hono';
import { z } from 'zod';
import { judgeCalls } from '../../judges/judge-calls.ts';
import type { JudgeChecks } from '../../judges/judge-checks.ts';
import { keyOf, tenantOf } from '../arena-caller.ts';
import { ArenaRefused, readJson } from '../arena-refused.ts';

export type JudgeParts = { store: Store; judgeChecks: JudgeChecks };

const checkSchema = z.strictObject({ model: z.string().regex(/^[\x21-\x7e]{1,200}$/, 'is not the name of a model') });
const bodyBytesMost = 4_096;

export function judgeRoutes({ store, judgeChecks }: JudgeParts): Hono {
  const app = new Hono();
  app.get('/api/arena/judges', async (c) => {
    const tenant = tenantOf(c);
    const view: JudgesView = { judges: await judgeCalls(store, tenant), checks: judgeChecks.list(tenant) };
    return c.json(view);
  });
  // About 210 calls: it is answered at once, and looked at in the list.
  app.post('/api/arena/judges/check', async (c) => {
    const { model } = await readJson(c, checkSchema, bodyBytesMost);
    const started = judgeChecks.start({ tenant: tenantOf(c), key: keyOf(c) }, model);
    if ('why' in started) throw new ArenaRefused('CONFLICT', started.why);
    return c.json(started.check, 202);
  });
  return app;
}
