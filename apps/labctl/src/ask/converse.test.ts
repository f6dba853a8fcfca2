import { afterAll, beforeAll, expect, test } from 'bun:test';
import { sampleResult } from '@labmesh/gateway/testing/fake-arena';
import { findApi } from '../client/api-access.ts';
import { testWorld } from '../testing/test-world.ts';
import { askVerified } from './ask-verified.ts';
import { converse } from './converse.ts';

const hostile = 'a\u001b]0;title\u0007\u001b[2J\u202eb\n\tc';
const harmless = 'a\\x1b]0;title\\x07\\x1b[2J\\u202eb\n\tc\n';

const event = (delta: object, finish: string | null = null) =>
  `data: ${JSON.stringify({ id: 'x', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
let server: ReturnType<typeof Bun.serve>;
beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch: ({ url }) =>
      url.endsWith('/api/arena/runs')
        ? new Response(`${JSON.stringify(sampleResult({ answer: { role: 'assistant', content: hostile } }))}\n`)
        : new Response(`${event({ content: hostile })}${event({}, 'stop')}data: [DONE]\n\n`, {
            headers: { 'content-type': 'text/event-stream' },
          }),
  });
});
afterAll(() => server.stop(true));

/** Terminals without colours (NO_COLOR) are terminals too. */
const readers = [
  { columns: undefined, seen: `${hostile}\n` },
  { columns: 80, seen: harmless },
];
const asked = { model: 'm', api: undefined as string | undefined, json: false };

test.each(readers)('an answer that would move the cursor: $columns columns', async ({ columns, seen }) => {
  for (const ask of [converse, askVerified]) {
    const world = testWorld({ columns });
    const api = findApi({ ...asked, api: `http://127.0.0.1:${server.port}/v1`, key: 'k' } as never, world);
    await ask(api, 'q', { ...asked } as never, world);
    expect(world.said.stdout).toBe(seen);
  }
});
