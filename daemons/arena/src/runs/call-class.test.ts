/** The class of a run's own calls at the gateway (gateway G-31): users come before what nobody waits for. */
import { expect, test } from 'bun:test';
import { systemClock } from '@labmesh/kit/clock';
import type { Priority } from '@labmesh/wire/verification/priority';
import type { RunOffer } from '@labmesh/wire/verification/arena-run';
import { FakeGateway } from '../generate/testing/fake-gateway.ts';
import { gatewayGenerate } from '../generate/gateway-generate.ts';
import { judgeOf } from '../judges/judge-of.ts';
import { eventsOf, offerOf, only } from './testing/offers.ts';
import { openRig } from './testing/run-rig.ts';

const verdict = JSON.stringify({ combined_scores: { Agent_A: 5, Agent_B: 4 }, winner: 'Agent_A' });

test.each<[RunOffer['mode'], Priority | undefined, Priority]>([
  ['intercept', 'critical', 'critical'],
  ['intercept', undefined, 'normal'],
  ['shadow', 'critical', 'low'],
])('%s, asked %p: variations, corrections and judges call as %s', async (mode, asked, called) => {
  await using gateway = new FakeGateway(({ model, messages }, call) => {
    if (model === 'judge') return { parts: [verdict] };
    // Two good ones to compare, one to mend.
    return {
      parts: [messages.length > 1 ? 'good again' : (['a good one', 'BAD', 'another good one'][call % 3] as string)],
    };
  });
  const generate = gatewayGenerate({ baseUrl: gateway.url, token: 'lmk_arena' });
  const settings = { kind: 'llm', models: ['judge'] } as const;
  const parts = {
    judge: (payer: { tenant: string; key: string }) => judgeOf(settings, { generate, clock: systemClock, ...payer }),
  };
  await using rig = await openRig({ gateway, parts });
  const block = { variations: 3, correction: true, ...(asked && { priority: asked }) };
  const answer = mode === 'shadow' ? { answer: { role: 'assistant', content: 'the good first' } } : {};
  const [result] = only(await eventsOf(rig.runs, offerOf({ mode, block, ...answer })), 'result');
  expect(result?.report.status).toBe('valid');
  const models = new Set(gateway.heard.map(({ request }) => request.model));
  expect([...models].toSorted()).toEqual(['judge', 'tiny']);
  expect(gateway.heard.some(({ request }) => request.model === 'tiny' && request.messages.length > 1)).toBe(true);
  expect(new Set(gateway.heard.map(({ headers }) => headers.get('x-labmesh-priority')))).toEqual(new Set([called]));
});
