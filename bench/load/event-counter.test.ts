import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { EventCounter } from './event-counter.ts';

function count(text: string, cuts: number[] = []): { events: number; done: boolean } {
  const counter = new EventCounter();
  const bytes = Buffer.from(text);
  const ends = [...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length];
  let from = 0;
  for (const end of ends) {
    counter.feed(bytes, from, end);
    from = end;
  }
  return { events: counter.events, done: counter.done };
}

test('data events count, comments and [DONE] do not, wherever the stream is cut', () => {
  const text = ': alive\n\ndata: {"a":1}\n\ndata:{"b":2}\r\n\r\n\n\nevent: x\n\ndata: [DONE]\n\n';
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 10 }), (cuts) => {
      expect(count(text, cuts)).toEqual({ events: 2, done: true });
    }),
  );
});

test('an unended event does not count', () => {
  expect(count('data: {"a":1}\n')).toEqual({ events: 0, done: false });
  expect(count('data: [DON]\n\n')).toEqual({ events: 1, done: false });
});

test('reset forgets half an event', () => {
  const counter = new EventCounter();
  counter.feed(Buffer.from('data: x'), 0, 7);
  counter.reset();
  counter.feed(Buffer.from('\n\n'), 0, 2);
  expect(counter.events).toBe(0);
});
