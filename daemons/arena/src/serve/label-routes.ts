/** What people say of two answers, below /api/arena (EX1, EX2); mounted with the other routes of preference data. */
import { giveLabelSchema } from '@labmesh/wire/verification/labels';
import type { Hono } from 'hono';
import type { Pairs } from '../pairs/pairs.ts';
import { authorOf, jsonBody, pageQuery, parse, textField, whose } from './pairs-request.ts';

const labelQuery = pageQuery.extend({ run: textField.optional() });

export function labelRoutes(app: Hono, { reviews }: Pairs): void {
  const root = '/api/arena/labels';
  app.get(root, async (context) => {
    const { items, nextCursor } = await reviews.list(whose(context), parse(labelQuery, context.req.query()));
    return context.json({ labels: items, nextCursor });
  });
  app.post(root, async (context) => {
    const tenant = whose(context);
    const given = parse(giveLabelSchema, await jsonBody(context.req.raw));
    return context.json(await reviews.give(tenant, authorOf(context), given));
  });
}
