import { describe, expect, test } from 'bun:test';
import { exportFormats, type ExportFormat, type Triplet, tripletSchema } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { datasetDigest } from '../choose-rows.ts';
import { loadRow } from '../testing/llamafactory-loader.ts';
import { anyTriplet, assistant, sampleTriplet, user } from '../testing/sample-triplet.ts';
import { tripletId } from '../triplet-id.ts';
import { formats } from './formats.ts';
import { alpacaInfo, sharegptInfo } from './llamafactory.ts';
import { RowRefused } from './row-refused.ts';

type Row = Record<string, unknown>;
const row = (format: ExportFormat, triplet: Triplet) => JSON.parse(formats[format].line(triplet)) as Row;
function refusal(format: ExportFormat, changes: Partial<Triplet>): string | undefined {
  try {
    formats[format].line(sampleTriplet(changes));
    return undefined;
  } catch (error) {
    if (error instanceof RowRefused) return error.code;
    throw error;
  }
}

const call = { id: 'c1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } };
const calling = { role: 'assistant', content: null, tool_calls: [call] };
const tool = (content: string) => ({ role: 'tool', content, tool_call_id: 'c1' });
const system = { role: 'system', content: 'be brief' };

describe('PD4 columns', () => {
  const one = sampleTriplet();
  const [chosen, rejected] = ['def f(a, b): return a + b', 'def f(a, b) return a + b'];

  test('jsonl is the pair itself', () => expect(tripletSchema.parse(row('jsonl', one))).toEqual(one));
  test('dpo', () => expect(row('dpo', one)).toEqual({ prompt: 'write add', chosen, rejected }));
  test('hf', () =>
    expect(row('hf', one)).toEqual({ prompt: 'write add', chosen, rejected, score_chosen: 1, score_rejected: -1 }));
  test('hf_chat', () =>
    expect(row('hf_chat', one)).toEqual({
      prompt: [user('write add')],
      chosen: [assistant(chosen)],
      rejected: [assistant(rejected)],
      score_chosen: 1,
      score_rejected: -1,
      tools: '[]',
    }));
  test('slime: roles as text, rejected_score = 1 - c', () =>
    expect(row('slime', one)).toEqual({
      prompt: '<|user|>\nwrite add',
      chosen: `<|assistant|>\n${chosen}`,
      rejected: `<|assistant|>\n${rejected}`,
      chosen_score: 0.9,
      rejected_score: 0.1,
    }));
  test('openai', () =>
    expect(row('openai', sampleTriplet({ metadata: { tools: [{ type: 'function' }] } }))).toEqual({
      input: { messages: [user('write add')], tools: [{ type: 'function' }] },
      preferred_output: [assistant(chosen)],
      non_preferred_output: [assistant(rejected)],
    }));
  test('openai_legacy', () =>
    expect(row('openai_legacy', one)).toEqual({
      messages: [user('write add'), assistant(chosen)],
      rejected_messages: [user('write add'), assistant(rejected)],
    }));
  test('chains, of corrections only', () => {
    const chain = { attempts: 1, failure_types: ['code_linter'], correction_chain: [{ attempt_number: 1 }] };
    const mended = sampleTriplet({ source: 'self_correction', metadata: { chain } });
    const { id, input } = mended;
    expect(row('chains', mended)).toEqual({ id, input, original: mended.rejected, corrected: mended.chosen, ...chain });
    expect(refusal('chains', {})).toBe('NOT_CORRECTED');
    expect(refusal('chains', { source: 'self_correction' })).toBe('NOT_CORRECTED');
  });
  test('a conversation as text keeps its roles and calls', () => {
    const input = [system, user('q'), calling, tool('2')];
    const expected =
      '<|system|>\nbe brief\n<|user|>\nq\n<|assistant|>\n{"name":"add","arguments":"{\\"a\\":1}"}\n<|tool|>\n2';
    expect(row('dpo', sampleTriplet({ input }))['prompt']).toBe(expected);
    expect(refusal('dpo', { input: [user([{ type: 'image_url' }])] })).toBe('NOT_TEXT');
  });
});

describe('PD5 LLaMA-Factory', () => {
  test('alpaca', () =>
    expect(row('llamafactory_alpaca', sampleTriplet({ input: [system, user('write add')] }))).toEqual({
      instruction: 'write add',
      input: '',
      chosen: 'def f(a, b): return a + b',
      rejected: 'def f(a, b) return a + b',
      system: 'be brief',
    }));

  test('sharegpt, with tool turns', () => {
    const both = { ...calling, content: '', tool_calls: [call, call] };
    const parameters = { type: 'object', properties: { a: { type: 'number' } } };
    const tools = [{ type: 'function', function: { name: 'add', parameters } }];
    const input = [system, user('q'), calling, tool('2'), both, tool('3'), tool('4')];
    const made = row('llamafactory_sharegpt', sampleTriplet({ input, chosen: [calling], metadata: { tools } }));
    const one = '{"name":"add","arguments":{"a":1}}';
    expect(made).toEqual({
      conversations: [
        { from: 'human', value: 'q' },
        { from: 'function_call', value: one },
        { from: 'observation', value: '2' },
        { from: 'function_call', value: `[${one},${one}]` },
        { from: 'observation', value: '["3","4"]' },
      ],
      chosen: { from: 'function_call', value: one },
      rejected: { from: 'gpt', value: 'def f(a, b) return a + b' },
      system: 'be brief',
      tools: JSON.stringify([{ name: 'add', description: '', parameters }]),
    });
    expect(loadRow(made, sharegptInfo('x.jsonl'))).not.toHaveProperty('dropped');
  });

  const badCall = (changes: object) => ({
    ...calling,
    tool_calls: [{ ...call, function: { ...call.function, ...changes } }],
  });
  const refused: [string, string, Partial<Triplet>][] = [
    ['TURN_ORDER', 'two questions in a row', { input: [user('a'), user('b')] }],
    ['TURN_ORDER', 'begins with an answer', { input: [assistant('a'), user('b'), assistant('c')] }],
    ['TURN_ORDER', 'a system message in the midst', { input: [user('a'), system, user('b')] }],
    ['TURN_ORDER', 'a tool that nobody called', { input: [user('a'), tool('b'), user('c')] }],
    ['TURN_COUNT', 'ends with an answer', { input: [user('a'), assistant('b')] }],
    ['TURN_COUNT', 'only a system message', { input: [system] }],
    ['ROLE_UNKNOWN', 'a role of nobody', { input: [{ role: 'narrator', content: 'x' }] }],
    ['NO_CONTENT', 'no question', { input: [user(null)] }],
    ['NO_CONTENT', 'no answer', { rejected: [assistant(null)] }],
    ['NOT_TEXT', 'an image', { input: [user([{ type: 'image_url' }])] }],
    ['SEVERAL_ANSWERS', 'two messages on a side', { chosen: [assistant('a'), assistant('b')] }],
    ['NO_ANSWER', 'an answer of the user', { chosen: [user('a')] }],
    ['TEXT_BESIDE_TOOL_CALL', 'words and calls', { chosen: [{ ...calling, content: 'so' }] }],
    ['TOOL_CALL_BAD', 'arguments that are no object', { chosen: [badCall({ arguments: '[]' })] }],
    ['TOOL_CALL_BAD', 'arguments that are no JSON', { chosen: [badCall({ arguments: '{' })] }],
    ['TOOL_CALL_BAD', 'no name', { chosen: [badCall({ name: '' })] }],
    ['TOOLS_BAD', 'tools without a name', { metadata: { tools: [{}] } }],
    [
      'TOOLS_BAD',
      'a property that is no schema',
      { metadata: { tools: [{ name: 'f', parameters: { properties: { a: 1 } } }] } },
    ],
  ];
  test.each(refused)('%s: %s', (code, _, changes) => {
    expect(refusal('llamafactory_sharegpt', changes)).toBe(code);
    expect(refusal('llamafactory_alpaca', changes)).toBeString();
  });
  test('alpaca holds one question and one answer in words', () => {
    expect(refusal('llamafactory_alpaca', { input: [user('a'), assistant('b'), user('c')] })).toBe('MULTI_TURN');
    expect(refusal('llamafactory_alpaca', { chosen: [calling] })).toBe('TOOL_TURN');
  });

  test('the second reading drops what the first refuses: the check can see', () => {
    const info = sharegptInfo('x');
    const good = row('llamafactory_sharegpt', sampleTriplet());
    const turn = (from: string) => ({ from, value: 'x' });
    expect(loadRow(good, info)).not.toHaveProperty('dropped');
    expect(loadRow(good, { ...info, ranking: false })).toEqual({ dropped: 'count' });
    expect(loadRow({ ...good, conversations: [turn('gpt')] }, info)).toEqual({ dropped: 'role' });
    expect(loadRow({ ...good, conversations: [turn('human'), turn('gpt')] }, info)).toEqual({ dropped: 'count' });
    expect(loadRow({ ...good, chosen: null }, info)).toEqual({ dropped: 'no pair' });
    expect(loadRow({ ...good, chosen: turn('human') }, info)).toEqual({ dropped: 'answer' });
    expect(loadRow({ ...good, system: null }, info)).toEqual({ dropped: 'None in a column' });
    const { tools: _, ...missing } = good;
    expect(() => loadRow(missing, info)).toThrow('KeyError tools');
    const flat = row('llamafactory_alpaca', sampleTriplet());
    expect(loadRow({ ...flat, rejected: null }, alpacaInfo('x'))).toEqual({ dropped: 'no pair' });
  });

  test('whatever a pair holds: the loader keeps every row that was not refused, as it was', () => {
    const kept = { llamafactory_sharegpt: 0, llamafactory_alpaca: 0 };
    fc.assert(
      fc.property(anyTriplet, (triplet) => {
        for (const [format, info] of [
          ['llamafactory_sharegpt', sharegptInfo('x')],
          ['llamafactory_alpaca', alpacaInfo('x')],
        ] as const) {
          let made: Row;
          try {
            made = row(format, triplet);
          } catch (error) {
            expect(error).toBeInstanceOf(RowRefused);
            continue;
          }
          kept[format]++;
          const loaded = loadRow(made, info);
          if ('dropped' in loaded) throw new Error(loaded.dropped);
          const [chosen] = triplet.chosen;
          if (typeof chosen?.content === 'string' && !('tool_calls' in chosen)) {
            expect(loaded.response[0]?.content).toBe(chosen.content);
          }
        }
      }),
      { numRuns: 2_000 },
    );
    expect(Math.min(...Object.values(kept))).toBeGreaterThan(20);
  });
});

test('every format: a line is one line of JSON, or is refused by name; the same pair gives the same line', () => {
  fc.assert(
    fc.property(anyTriplet, fc.constantFrom(...exportFormats), (triplet, format) => {
      let line: string;
      try {
        line = formats[format].line(triplet);
      } catch (error) {
        expect(error).toBeInstanceOf(RowRefused);
        return;
      }
      expect(line).not.toContain('\n');
      expect(typeof JSON.parse(line)).toBe('object');
      expect(formats[format].line(structuredClone(triplet))).toBe(line);
    }),
    { numRuns: 1_000 },
  );
});

test('PD3 ids and digests: no order of keys or rows changes them, any change of a text does', () => {
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .toReversed()
        .map(([key, of]) => [key, reversed(of)]),
    );
  };
  fc.assert(
    fc.property(
      fc.array(anyTriplet, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      (triplets, random) => {
        const shuffled = triplets
          .map((triplet) => ({ triplet: reversed(triplet) as Triplet, at: random.next().value as number }))
          .toSorted((a, b) => a.at - b.at)
          .map(({ triplet }) => triplet);
        const digestOf = (list: readonly Triplet[]) => datasetDigest(list.map(formats.jsonl.line));
        expect(digestOf(shuffled)).toBe(digestOf(triplets));
        for (const triplet of shuffled) expect(tripletId(triplet)).toBe(triplet.id);
        const [first] = triplets;
        const other = { ...first!, chosen: [...first!.chosen, assistant('x')] };
        expect(tripletId(other)).not.toBe(first!.id);
        expect(digestOf([other, ...triplets.slice(1)])).not.toBe(digestOf(triplets));
      },
    ),
  );
});
