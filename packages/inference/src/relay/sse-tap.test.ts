import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBytesMax, SseTap } from './sse-tap.ts';
import { usageFromTail } from './usage.ts';

const delta = (text: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`;
const usageEvent =
  'data: {"id":"x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2}}}\n\n';
const done = 'data: [DONE]\n\n';

function run(text: string | Uint8Array, sizes: () => number, withhold: boolean) {
  const tap = new SseTap(withhold);
  const bytes = Buffer.from(text);
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = sizes();
    const piece = Buffer.from(bytes.subarray(at, at + size));
    out.push(tap.passes(piece, 0, piece.length) ? piece : Buffer.from(tap.push(piece)));
    at += size;
  }
  out.push(Buffer.from(tap.flush()));
  return { text: Buffer.concat(out).toString(), tap };
}

describe('SseTap', () => {
  test('takes out the usage chunk it was told to, and nothing else', () => {
    const { text, tap } = run(delta('a') + delta('b') + usageEvent + done, () => 10_000, true);
    expect(text).toBe(delta('a') + delta('b') + done);
    expect(tap.usage).toEqual({
      promptTokens: 3,
      completionTokens: 4,
      cachedTokens: 2,
      reasoningTokens: 0,
      estimated: false,
    });
    expect(tap.events).toBe(2);
    expect(tap.finished).toBe(true);
  });

  test('counts events however many come in a read', () => {
    const many = Array.from({ length: 50 }, (_, i) => delta(`${i}`));
    for (const size of [1, 60, 100, 500, 100_000])
      expect(run(many.join('') + done, () => size, true).tap.events).toBe(50);
  });

  test('lets it pass when the client asked for it', () => {
    const all = delta('a') + usageEvent + done;
    expect(run(all, () => 7, false).text).toBe(all);
  });

  test('usage beside a choice, usage null and usage inside a text pass', () => {
    const beside = 'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n';
    const none = 'data: {"choices":[{"delta":{"content":"a"}}],"usage":null}\n\n';
    const said = `data: ${JSON.stringify({ choices: [{ delta: { content: '{"choices":[],"usage":{"prompt_tokens":9}} [DONE]' } }] })}\n\n`;
    const { text, tap } = run(none + said + beside + done, () => 50, true);
    expect(text).toBe(none + said + beside + done);
    expect(tap.usage?.promptTokens).toBe(1);
  });

  test('however a stream is cut, with any line ends, its bytes are the same', () => {
    const event = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }).map((text) => delta(text)),
      fc.constant(': a comment 🦙\n\n'),
      fc.constant('event: x\r\ndata: {"choices":[{"delta":{"reasoning":"é"}}]}\r\n\r\n'),
      fc.constant('id: 1\ndata: {"tool_calls":\ndata: []}\n\n'),
    );
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 17 }), { minLength: 1 }),
        fc.boolean(),
        (events, cuts, withUsage) => {
          const plain = events.join('');
          let i = 0;
          const { text, tap } = run(
            plain + (withUsage ? usageEvent : '') + done,
            () => cuts[i++ % cuts.length] as number,
            true,
          );
          expect(text).toBe(plain + done);
          expect(tap.usage?.completionTokens).toBe(withUsage ? 4 : undefined);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('bytes of any kind pass untouched', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
        const tap = new SseTap(true);
        const out = pieces.map((piece) => Buffer.from(tap.push(Buffer.from(piece))));
        expect(Buffer.concat([...out, tap.flush()])).toEqual(Buffer.concat(pieces));
      }),
    );
  });

  test('an event without an end is passed on and not kept', () => {
    const huge = `data: ${'x'.repeat(eventBytesMax + 10_000)}`;
    const { text } = run(`${huge}\n\n${usageEvent}${done}`, () => 50_000, true);
    expect(text).toBe(`${huge}\n\n${done}`);
  });

  test('half an event is held only while it may be the usage chunk', () => {
    const tap = new SseTap(true);
    expect(tap.push(Buffer.from('data: {"id":"x","choices":[')).length).toBe(0);
    expect(Buffer.from(tap.push(Buffer.from('{"delta":{"content":"a'))).toString()).toBe(
      'data: {"id":"x","choices":[{"delta":{"content":"a',
    );
    expect(Buffer.from(tap.push(Buffer.from('b"}}]}\n\n'))).toString()).toBe('b"}}]}\n\n');
  });
});

describe('usageFromTail', () => {
  test('reads the last usage object, not one inside a text', () => {
    const body = JSON.stringify({
      choices: [{ message: { content: '"usage":{"prompt_tokens":99}' } }],
      usage: { prompt_tokens: 5, completion_tokens: 6, note: '}' },
      timings: {},
    });
    expect(usageFromTail(Buffer.from(body))).toMatchObject({ promptTokens: 5, completionTokens: 6 });
    expect(usageFromTail(Buffer.from(body.slice(20)))).toMatchObject({ promptTokens: 5 });
  });
  test('bytes of any kind never throw, absurd counts read as zero', () => {
    fc.assert(fc.property(fc.string(), (text) => void usageFromTail(Buffer.from(`"usage":{${text}`))));
    expect(usageFromTail(Buffer.from('{"usage":{"prompt_tokens":-1,"completion_tokens":1e400}}'))).toMatchObject({
      promptTokens: 0,
      completionTokens: 0,
    });
  });
});
