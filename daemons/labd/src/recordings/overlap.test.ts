import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { beginMark, Overlap } from './overlap.ts';

test('EX-9: what both parts have is played once', () => {
  const overlap = new Overlap();
  overlap.begin();
  expect(overlap.fresh('line 1\nline 2\n')).toBe('line 1\nline 2\n');
  overlap.begin();
  expect(overlap.mark(beginMark(1, 7))).toBe('');
  expect(overlap.fresh('li')).toBe('');
  expect(overlap.fresh('ne 2\nline 3\n')).toBe('line 3\n');
});

test('streams are counted apart, and each part begins with stdout', () => {
  const overlap = new Overlap();
  overlap.begin();
  overlap.fresh('out');
  expect([overlap.mark('stderr'), overlap.stream]).toEqual(['stderr', 'stderr']);
  overlap.fresh('errors');
  overlap.begin();
  expect(overlap.stream).toBe('stdout');
  overlap.mark(beginMark(1, 1));
  overlap.mark(beginMark(2, 3));
  expect(overlap.fresh('ut!')).toBe('!');
  overlap.mark('stderr');
  expect(overlap.fresh('ors?')).toBe('?');
});

test('a gap is told, and what was no UTF-8 ends the leaving out', () => {
  const overlap = new Overlap();
  overlap.begin();
  overlap.fresh('abc');
  overlap.begin();
  expect(overlap.mark(beginMark(1, 10))).toBe('labmesh: 7 bytes of stdout before this are not in the recording');
  overlap.fresh('\uFFFD');
  overlap.begin();
  expect(overlap.mark(beginMark(1, 2))).toBe(beginMark(1, 2));
  expect(overlap.fresh('abc')).toBe('abc');
  expect(overlap.mark('a person said this')).toBe('a person said this');
});

test('however a stream is cut into parts that overlap, it is played once', () => {
  const part = fc.tuple(fc.string({ unit: 'binary-ascii', minLength: 1 }), fc.nat(30), fc.nat(3));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1 }), (parts) => {
      const whole = parts.map(([text]) => text).join('');
      const overlap = new Overlap();
      let played = '';
      let end = 0;
      for (const [at, [text, back, cut]] of parts.entries()) {
        const from = Math.max(0, end - back);
        end += text.length;
        overlap.begin();
        if (at > 0) expect(overlap.mark(beginMark(1, from))).toBe('');
        const bytes = whole.slice(from, end);
        played += overlap.fresh(bytes.slice(0, cut)) + overlap.fresh(bytes.slice(cut));
      }
      expect(played).toBe(whole);
    }),
  );
});
