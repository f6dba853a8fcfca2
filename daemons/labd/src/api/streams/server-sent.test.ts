import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { lastEventId, sseEvent } from './server-sent.ts';

test('whatever a line or a cursor holds, an event is one event with its own fields', () => {
  const field = fc.string({ unit: fc.constantFrom('\n', '\r', '\0', ':', 'id: x', 'data: y', 'é', 'a', ' ') });
  fc.assert(
    fc.property(field, field, (id, text) => {
      const lines = sseEvent({ id, data: { text } }).split(/\r\n|\n|\r/);
      expect(lines.slice(-2)).toEqual(['', '']);
      const data = lines.at(-3) ?? '';
      expect(JSON.parse(data.slice('data: '.length))).toEqual({ text });
      // An id that could begin a line is left out.
      expect(lines.slice(0, -3)).toEqual(/^[\x20-\x7e]+$/.test(id) ? [`id: ${id}`] : []);
    }),
  );
});

test('Last-Event-ID: none, one of ours, or refused', () => {
  expect(lastEventId(new Headers())).toBeUndefined();
  expect(lastEventId(new Headers({ 'last-event-id': 'journal:s=1;i=2' }))).toBe('journal:s=1;i=2');
  for (const id of ['é', 'x'.repeat(8 * 1024 + 1)])
    expect(() => lastEventId(new Headers({ 'last-event-id': id }))).toThrow('Last-Event-ID');
});
