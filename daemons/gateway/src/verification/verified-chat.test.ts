import { expect, test } from 'bun:test';
import { chatCompletionChunkSchema, chatCompletionSchema, type ChatMessage } from '@labmesh/wire/openai';
import fc from 'fast-check';
import { sampleResult } from '../testing/fake-arena.ts';
import { readAnswer } from './read-answer.ts';
import { chatEvents, pieces, wholeChat } from './verified-chat.ts';

const form = { id: 'chatcmpl-1', created: 1, result: sampleResult(), withShadowArena: false };
const dataOf = (events: Iterable<string>) => [...events].map((event) => event.slice('data: '.length, -2));

test('pieces have at most 64 code points and lose nothing; pairs are not cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', 'é', '🦙', '\ud800', '\udc00', '\n') }), (text) => {
      const all = [...pieces(text)];
      expect(all.join('')).toBe(text);
      for (const piece of all) expect([...piece].length).toBeLessThanOrEqual(64);
      if (text.isWellFormed()) expect(all.every((piece) => piece.isWellFormed())).toBe(true);
    }),
  );
});

test('a stream read back is the message that was sent', () => {
  const call = fc.record({ id: fc.string(), function: fc.record({ name: fc.string(), arguments: fc.string() }) });
  const message = fc.record({ content: fc.string({ unit: 'grapheme' }), tool_calls: fc.array(call, { maxLength: 3 }) });
  fc.assert(
    fc.property(message, fc.boolean(), ({ content, tool_calls: calls }, includeUsage) => {
      const given: ChatMessage = { role: 'assistant', content, tool_calls: calls };
      const read = readAnswer(Buffer.from([...chatEvents(form, given, includeUsage)].join('')), true);
      expect(read?.content).toBe(content);
      expect((read?.tool_calls ?? []).map(({ id, function: made }) => ({ id, function: made }))).toEqual(calls);
    }),
  );
});

test('every event is a chunk that clients know; usage is told once', () => {
  const message: ChatMessage = { role: 'assistant', content: [{ type: 'text', text: 'hi' }], reasoning_content: 'hm' };
  for (const includeUsage of [true, false]) {
    const data = dataOf(chatEvents(form, message, includeUsage));
    expect(data.pop()).toBe('[DONE]');
    const chunks = data.map((text) => chatCompletionChunkSchema.parse(JSON.parse(text)));
    expect(chunks.filter((chunk) => chunk.usage)).toHaveLength(1);
    expect(chunks.filter((chunk) => chunk.choices.length === 0)).toHaveLength(includeUsage ? 1 : 0);
    const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
    expect(deltas[0]?.role).toBe('assistant');
    expect(deltas.map((delta) => delta.reasoning_content ?? '').join('')).toBe('hm');
    expect(deltas.map((delta) => delta.content ?? '').join('')).toBe('hi');
  }
});

test('a whole answer is a chat completion; the block of the original only where it is wanted', () => {
  const result = sampleResult({ shadowArena: { success: true } });
  const whole = wholeChat({ ...form, result }, { role: 'tool', content: 'x' });
  expect(chatCompletionSchema.parse(whole).choices[0]?.message.role).toBe('assistant');
  expect(whole).not.toHaveProperty('shadow_arena');
  expect(wholeChat({ ...form, result, withShadowArena: true }, { role: 'assistant' })).toMatchObject({
    shadow_arena: { success: true },
  });
});
