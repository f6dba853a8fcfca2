import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { envelopeSchema, parseEnvelope, writeEnvelope } from './envelope.ts';
import { linkLimits } from './limits.ts';

const frame = (fields: object) =>
  JSON.stringify({ msg_id: 'm', direction: 'up', kind: 'metrics', payload: {}, ...fields });

function reasonOf(text: string): string {
  const parsed = parseEnvelope(text);
  if (parsed.ok) throw new Error('expected a refusal');
  return parsed.reason;
}

describe('reading', () => {
  test('all four spellings of direction, absent ids are null, unknown fields are dropped', () => {
    for (const [word, direction] of [
      ['up', 'up'],
      ['upstream', 'up'],
      ['down', 'down'],
      ['downstream', 'down'],
    ]) {
      expect(parseEnvelope(frame({ direction: word, more: 1 }))).toEqual({
        ok: true,
        envelope: {
          msg_id: 'm',
          site_id: null,
          agent_id: null,
          direction,
          kind: 'metrics',
          ts: null,
          payload: {},
        } as never,
      });
    }
    expect(parseEnvelope(frame({ payload: undefined, ts: '2026-01-02T03:04:05+02:00' })).ok).toBe(true);
  });

  test('what cannot be read gets exactly the W7 answer', () => {
    expect(parseEnvelope('{')).toEqual({
      ok: false,
      reason: 'the frame is not JSON',
      reply:
        '{"msg_id":"local-error","site_id":null,"agent_id":null,"direction":"down","kind":"error","ts":null,"payload":{"code":"INVALID_ENVELOPE","message":"the frame is not JSON"}}',
    });
  });

  test.each([
    ['null', 'envelope: '],
    ['[]', 'envelope: '],
    [frame({ msg_id: '' }), 'msg_id: '],
    [frame({ msg_id: 'x'.repeat(129) }), 'msg_id: '],
    [frame({ msg_id: undefined }), 'msg_id: '],
    [frame({ direction: 'sideways' }), 'direction: '],
    [frame({ kind: 'Not-Snake' }), 'kind: '],
    [frame({ ts: 'yesterday' }), 'ts: '],
    [frame({ agent_id: 'a b' }), 'agent_id: '],
  ])('%s is refused by field', (text, start) => {
    expect(reasonOf(text)).toStartWith(start);
  });

  test('size is counted in bytes and depth outside of texts', () => {
    const big = (letter: string, count: number) => frame({ payload: letter.repeat(count) });
    expect(parseEnvelope(big('a', linkLimits.LINK_FRAME - 100)).ok).toBe(true);
    expect(reasonOf(big('a', linkLimits.LINK_FRAME))).toContain('larger');
    expect(reasonOf(big('€', linkLimits.LINK_FRAME / 3))).toContain('larger');
    const nested = (levels: number) =>
      frame({ payload: JSON.parse('['.repeat(levels) + ']'.repeat(levels)) as unknown });
    expect(parseEnvelope(nested(15)).ok).toBe(true);
    expect(reasonOf(nested(16))).toContain('deeper than 16');
    expect(parseEnvelope(frame({ payload: `\\"${'['.repeat(100)}` })).ok).toBe(true);
    expect(reasonOf('['.repeat(linkLimits.LINK_FRAME))).toContain('deeper');
  });
});

test('what is written is read back', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 10 }),
      fc.constantFrom('up' as const, 'down' as const),
      (payload, direction) => {
        const parsed = parseEnvelope(writeEnvelope({ direction, kind: 'ack', payload, agent_id: 'a' }));
        return (
          parsed.ok &&
          JSON.stringify(parsed.envelope.payload) === JSON.stringify(payload) &&
          parsed.envelope.direction === direction
        );
      },
    ),
  );
});

test('any text gives an envelope or the answer, and never throws', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const near = fc.record(
    { msg_id: value, site_id: value, agent_id: value, direction: value, kind: value, ts: value, payload: value },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        near.map((fields) => frame(fields)),
      ),
      (text) => {
        const parsed = parseEnvelope(text);
        if (parsed.ok) return envelopeSchema.safeParse(parsed.envelope).success;
        const reply = parseEnvelope(parsed.reply);
        return reply.ok && reply.envelope.msg_id === 'local-error' && !parsed.reason.includes('\n');
      },
    ),
    { numRuns: 500 },
  );
});
