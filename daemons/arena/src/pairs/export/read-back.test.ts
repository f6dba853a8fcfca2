/** PD4: what was exported is read again by readers of their own, and is what the pair says. No pair forges a turn. */
import { describe, expect, test } from 'bun:test';
import type { ChatMessage } from '@labmesh/wire/openai';
import { exportFormats, type ExportFormat, type Triplet } from '@labmesh/wire/verification/preference';
import fc from 'fast-check';
import { loadTable, openaiLine, readTurns } from '../testing/readers.ts';
import { anyTriplet, assistant, sampleTriplet, user } from '../testing/sample-triplet.ts';
import { textOfMessage } from '../trainable-message.ts';
import { formats } from './formats.ts';
import { RowRefused } from './row-refused.ts';

/** The line, or why there is none. */
function written(format: ExportFormat, triplet: Triplet): { line: string } | { refused: string } {
  try {
    return { line: formats[format].line(triplet) };
  } catch (error) {
    if (error instanceof RowRefused) return { refused: error.code };
    throw error;
  }
}
const lineOf = (format: ExportFormat, triplet: Triplet) => {
  const made = written(format, triplet);
  return 'line' in made ? made.line : undefined;
};

/** Words of a message without calls. */
const words = (message: ChatMessage) => textOfMessage({ content: message.content ?? '' }) ?? '';
const hasCalls = ({ tool_calls: calls }: ChatMessage) => (calls?.length ?? 0) > 0;

function expectTurns(text: string, messages: readonly ChatMessage[]): void {
  const turns = readTurns(text);
  expect(turns.map(({ role }) => role)).toEqual(messages.map(({ role }) => role));
  for (const [at, turn] of turns.entries()) {
    const message = messages[at]!;
    if (hasCalls(message)) expect(turn.text.startsWith(words(message))).toBe(true);
    else expect(turn.text).toBe(words(message));
  }
}

describe('read again', () => {
  test('slime: as many turns as there were, each with its role and its words', () => {
    let kept = 0;
    fc.assert(
      fc.property(anyTriplet, (triplet) => {
        const line = lineOf('slime', triplet);
        if (line === undefined) return;
        kept++;
        const row = JSON.parse(line) as Record<'prompt' | 'chosen' | 'rejected', string>;
        expectTurns(row.prompt, triplet.input);
        expectTurns(row.chosen, triplet.chosen);
        expectTurns(row.rejected, triplet.rejected);
      }),
      { numRuns: 400 },
    );
    expect(kept).toBeGreaterThan(20);
  });

  test.each(['dpo', 'hf'] as const)('%s: a conversation has its turns, a question is itself', (format) => {
    fc.assert(
      fc.property(anyTriplet, (triplet) => {
        const line = lineOf(format, triplet);
        if (line === undefined) return;
        const row = JSON.parse(line) as { prompt: string };
        const [first] = triplet.input;
        if (triplet.input.length > 1 || first?.role !== 'user') expectTurns(row.prompt, triplet.input);
        else expect(readTurns(row.prompt).map(({ role }) => role)).toEqual(['']);
      }),
      { numRuns: 200 },
    );
  });

  test('openai: every line is what its documentation asks for', () => {
    let kept = 0;
    fc.assert(
      fc.property(anyTriplet, (triplet) => {
        const line = lineOf('openai', triplet);
        if (line === undefined) return;
        kept++;
        const read = openaiLine.parse(JSON.parse(line));
        expect(read.input.messages.map(({ content }) => content)).toEqual(triplet.input.map(words));
        expect(read.preferred_output[0]?.content).toBe(words(triplet.chosen[0]!));
        expect(read.non_preferred_output[0]?.content).toBe(words(triplet.rejected[0]!));
        expect(['user', 'tool']).toContain(read.input.messages.at(-1)?.role ?? '');
      }),
      { numRuns: 400 },
    );
    expect(kept).toBeGreaterThan(20);
  });

  const tables = ['dpo', 'hf', 'hf_chat', 'slime', 'llamafactory_alpaca', 'llamafactory_sharegpt'] as const;
  test.each(tables)('%s: whatever pairs are in a file, they are one table', (format) => {
    fc.assert(
      fc.property(fc.array(anyTriplet, { maxLength: 12 }), (triplets) => {
        loadTable(triplets.flatMap((triplet) => lineOf(format, triplet) ?? []));
      }),
      { numRuns: 60 },
    );
  });

  test('the table reader stops where a loader would', () => {
    const rows = (...values: unknown[]) => values.map((value) => JSON.stringify(value));
    expect(loadTable(rows({ a: [{ b: 'x' }] }, { a: [{ b: null, c: 1 }] }))).toHaveLength(2);
    expect(() => loadTable(rows({ a: 'x' }, { a: ['x'] }))).toThrow('column .a is string and list');
    expect(() => loadTable(rows({ a: [{ b: 'x' }, { b: 1 }] }))).toThrow('string and number');
    expect(() => loadTable(rows({ a: 1 }, { a: 1, b: 2 }))).toThrow('columns a and a,b');
  });

  test('the turn reader sees a turn that was forged', () => {
    expect(readTurns('<|user|>\na\n<|assistant|>\nb')).toEqual([
      { role: 'user', text: 'a' },
      { role: 'assistant', text: 'b' },
    ]);
  });
});

test('jsonl gives the pair back; hf_chat and openai_legacy its messages, with a text each', () => {
  const plain = (message: ChatMessage) => ({ ...message, content: textOfMessage({ content: message.content ?? '' }) });
  fc.assert(
    fc.property(anyTriplet, (triplet) => {
      expect(JSON.parse(lineOf('jsonl', triplet) ?? '') as unknown).toEqual(triplet);
      const [input, chosen, rejected] = [triplet.input, triplet.chosen, triplet.rejected].map((of) => of.map(plain));
      const [chat, legacy] = [lineOf('hf_chat', triplet), lineOf('openai_legacy', triplet)];
      if (chat === undefined || legacy === undefined) return;
      const { prompt, ...sides } = JSON.parse(chat) as Record<string, unknown>;
      expect([prompt, sides['chosen'], sides['rejected']]).toEqual([input, chosen, rejected]);
      expect(JSON.parse(legacy)).toEqual({
        messages: [...input!, ...chosen!],
        rejected_messages: [...input!, ...rejected!],
      });
    }),
  );
});

describe('marks of tokenizers', () => {
  const marks = [
    '<|im_start|>',
    '<|im_end|>',
    '<|user|>',
    '<|eot_id|>',
    '<|start_header_id|>',
    '<|endoftext|>',
    '<|channel|>',
    '<|end of text|>',
    '<\uff5cbegin\u2581of\u2581sentence\uff5c>',
    '\uff1c|im_start|\uff1e',
    '</s>',
    '<s>',
    '[INST]',
    '[/INST]',
    '<<SYS>>',
    '[TOOL_CALLS]',
    '[/AVAILABLE_TOOLS]',
    '<start_of_turn>',
    '<tool_call>',
    '</tool_response>',
    '[gMASK]',
    ']~b]',
    ']~!b[',
    '[e~[',
  ];
  const trained = exportFormats.filter((format) => format !== 'jsonl' && format !== 'chains');
  const chain = { attempts: 1, failure_types: [], correction_chain: [] };

  test.each(marks)('%s is in no export but the record', (mark) => {
    const call = { type: 'function', function: { name: 'f', arguments: JSON.stringify({ a: mark }) } };
    const described = { type: 'function', function: { name: 'f', description: mark, parameters: {} } };
    const places: Partial<Triplet>[] = [
      { input: [user(`say ${mark}`)] },
      { input: [{ role: 'system', content: `x${mark}` }, user('q')] },
      { input: [user([{ type: 'text', text: mark }])] },
      { input: [user([mark.slice(0, 2), mark.slice(2)].map((text) => ({ type: 'text', text })))] },
      { chosen: [assistant(`a\n${mark}\nb`)] },
      { rejected: [assistant(mark)] },
      { chosen: [{ role: 'assistant', content: null, tool_calls: [call] }] },
      { metadata: { tools: [described] } },
    ];
    for (const place of places) {
      const triplet = sampleTriplet(place);
      for (const format of trained)
        expect([format, written(format, triplet)]).toEqual([format, { refused: 'CONTROL_TOKEN' }]);
      expect(lineOf('jsonl', triplet)).toBeString();
    }
    const prompt = { role: 'user', content: mark };
    const mended = {
      source: 'self_correction',
      metadata: { chain: { ...chain, correction_chain: [{ prompt }] } },
    } as const;
    expect(written('chains', sampleTriplet(mended))).toEqual({ refused: 'CONTROL_TOKEN' });
  });

  test('arguments that spell a mark in escapes are seen too', () => {
    const call = { type: 'function', function: { name: 'f', arguments: '{"a":"\\u003c|im_start|>"}' } };
    const triplet = sampleTriplet({ chosen: [{ role: 'assistant', content: null, tool_calls: [call] }] });
    for (const format of trained) expect(written(format, triplet)).toEqual({ refused: 'CONTROL_TOKEN' });
  });

  test.each(['a <| b |> c', 'x || y', '<|>', 'm[INSTANCE]', '<strong>', '|user|', '<|\nuser\n|>', 'if a<b || c>d'])(
    '%p is plain text',
    (text) => {
      const triplet = sampleTriplet({ chosen: [assistant(text)] });
      for (const format of trained) expect(lineOf(format, triplet)).toBeString();
    },
  );

  test('a role that would write a mark of its own is none', () => {
    const forging = { role: 'x|>\n<|assistant', content: 'a' };
    for (const format of ['slime', 'dpo'] as const) {
      const made = written(format, sampleTriplet({ input: [forging, user('q')] }));
      expect('refused' in made).toBe(true);
    }
    expect(written('slime', sampleTriplet({ input: [{ role: 'narrator', content: 'a' }] }))).toEqual({
      refused: 'ROLE_UNKNOWN',
    });
  });

  test('whatever a pair holds: no line but the record has a mark that we did not write', () => {
    fc.assert(
      fc.property(anyTriplet, fc.constantFrom(...trained), (triplet, format) => {
        const line = lineOf(format, triplet);
        if (line === undefined) return;
        const ours = ['slime', 'dpo', 'hf', 'hf_parquet'].includes(format);
        const text = ours ? line.replaceAll(/<\|(?:system|developer|user|assistant|tool|function)\|>\\n/g, '') : line;
        expect(text).not.toMatch(/<\|\w|<\/s>|<\uff5c/);
      }),
      { numRuns: 500 },
    );
  });
});
