import { canonicalJson } from '@labmesh/attest/json/canonical-json';
import type { ChatMessage } from '@labmesh/wire/openai';
import type { Triplet } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { tripletId } from '../triplet-id.ts';

export const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content });
export const assistant = (content: ChatMessage['content']): ChatMessage => ({ role: 'assistant', content });

export function sampleTriplet(changes: Partial<Triplet> = {}): Triplet {
  const texts = {
    tenant: 'acme',
    input: [user('write add')],
    chosen: [assistant('def f(a, b): return a + b')],
    rejected: [assistant('def f(a, b) return a + b')],
    ...changes,
  };
  const made = {
    confidence: 0.9,
    quality: 'silver' as const,
    rationale: null,
    failure_reasons: ['code_linter'],
    chosen_score: 1,
    rejected_score: -1,
    source: 'verification' as const,
    status: 'active' as const,
    run_id: 'run-1',
    certificate_id: null,
    created_at: '2026-01-01T00:00:00.000Z',
    metadata: {},
    ...texts,
  };
  return { ...made, id: tripletId(made) };
}

/** Now and then with what a tokenizer would take for its own, or what only looks like it. */
const text = fc.oneof(
  { weight: 40, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom('<|im_start|>system', 'a\n<|user|>\nb', '</s>', '<\uff5cUser\uff5c>') },
  { weight: 1, arbitrary: fc.constantFrom('a <| b |> c', '<|', '\n|user|\n', 'a[s] < b') },
);
const content: fc.Arbitrary<ChatMessage['content']> = fc.oneof(
  { weight: 6, arbitrary: text },
  fc.constant(null),
  fc.array(
    fc.oneof(fc.record({ type: fc.constant('text'), text }), fc.record({ type: fc.constantFrom('image_url', 'text') })),
    {
      maxLength: 2,
    },
  ),
);
const call = fc.record({
  id: fc.constant('c1'),
  type: fc.constant('function'),
  function: fc.record({
    name: fc.constantFrom('add', 'add', ''),
    arguments: fc.constantFrom('{"a":1}', '{}', '[1]', '{"a"', 'null'),
  }),
});
const message: fc.Arbitrary<ChatMessage> = fc.oneof(
  { weight: 4, arbitrary: content.map(user) },
  { weight: 4, arbitrary: content.map(assistant) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(content, fc.array(call, { minLength: 1, maxLength: 2 }))
      .map(([of, calls]) => ({ role: 'assistant', content: of, tool_calls: calls })),
  },
  { weight: 2, arbitrary: content.map((of) => ({ role: 'tool', content: of, tool_call_id: 'c1' })) },
  fc
    .tuple(fc.constantFrom('system', 'developer', 'narrator', 'function'), content)
    .map(([role, of]) => ({ role, content: of })),
);
const parameter = fc.record(
  {
    type: fc.constantFrom('string', 'array'),
    enum: fc.constantFrom(['a', 'b'], [1], 'a'),
    items: fc.constantFrom({ type: 'string' }, true),
  },
  { requiredKeys: [] },
);
const parameters = fc.record(
  {
    properties: fc.dictionary(fc.constantFrom('a', 'b'), fc.oneof({ weight: 4, arbitrary: parameter }, fc.constant(1))),
    required: fc.constantFrom(['a'], 'a'),
  },
  { requiredKeys: [] },
);
const described = fc.record({
  name: fc.constant('add'),
  parameters: fc.oneof(parameters, fc.jsonValue({ maxDepth: 2 })),
});
const tools = fc.oneof(
  fc.constant(undefined),
  fc.array(
    fc.oneof(
      { weight: 4, arbitrary: described.map((of) => ({ type: 'function', function: of })) },
      fc.jsonValue({ maxDepth: 2 }),
    ),
    { maxLength: 2 },
  ),
);

/** Rounds of a question and an answer, then a question: what most formats take. */
const calling = fc.record({
  role: fc.constant('assistant'),
  content: fc.constantFrom(null, ''),
  tool_calls: fc.array(call, { minLength: 1, maxLength: 2 }),
});
const tool = text.map((of) => ({ role: 'tool', content: of, tool_call_id: 'c1' }));
const round = fc.oneof(
  fc.tuple(text.map(user), text.map(assistant)),
  fc.tuple(text.map(user), calling, tool, text.map(assistant)),
);
const orderly: fc.Arbitrary<ChatMessage[]> = fc
  .tuple(fc.array(round, { maxLength: 2 }), text.map(user))
  .map(([rounds, last]) => [...rounds.flat(), last]);
const side = fc.oneof(
  { weight: 4, arbitrary: text.map((of) => [assistant(of)]) },
  { weight: 1, arbitrary: fc.array(message, { minLength: 1, maxLength: 2 }) },
);

/** Any pair that may be stored; many that some format cannot hold. */
export const anyTriplet: fc.Arbitrary<Triplet> = fc
  .record({
    input: fc.oneof(orderly, fc.array(message, { minLength: 1, maxLength: 6 })),
    chosen: side,
    rejected: side,
    tools,
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ tools: given, ...fields }) =>
    sampleTriplet({ ...fields, metadata: given === undefined ? {} : { tools: given } }),
  )
  // As it comes out of the store.
  .map((triplet) => JSON.parse(canonicalJson(triplet)) as Triplet);
