import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { markOf, parsePlace, placeText } from './file/generations.ts';
import { isSameHead } from './file/known-files.ts';
import { journalArguments, parseEntry } from './journal-lines.ts';
import { NewestLines } from './line-sender.ts';
import { lineBytesMax, LineSplitter } from './line-splitter.ts';
import { lineTime } from './line-time.ts';
import { LineFilter } from './log-source.ts';
import { Refused } from '../session-run.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('LineSplitter', () => {
  test('any bytes in any pieces: the same lines, and ends that add up', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'ü', '\n', ' '), maxLength: 200 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 17 }), (text, size) => {
        const input = bytes(text);
        const splitter = new LineSplitter(5);
        const lines = [];
        for (let at = 0; at < input.length; at += size) lines.push(...splitter.feed(input.subarray(at, at + size)));
        const rest = splitter.rest();
        const whole = text.split('\n');
        expect([...lines.map((line) => line.text), rest?.text ?? '']).toEqual(whole);
        let end = 5;
        for (const [index, line] of lines.entries()) expect(line.end).toBe((end += bytes(whole[index]!).length + 1));
      }),
    );
  });

  test('a line without end costs no more than the bound', () => {
    const splitter = new LineSplitter();
    for (let i = 0; i < 100; i++) expect([...splitter.feed(new Uint8Array(lineBytesMax).fill(97))]).toEqual([]);
    const [line] = [...splitter.feed(bytes('\n'))];
    expect(line?.text.length).toBeLessThan(lineBytesMax + 100);
    expect(line?.text).toEndWith(`[labmesh: ${99 * lineBytesMax} bytes cut]`);
    expect(line?.end).toBe(100 * lineBytesMax + 1);
  });

  test('bytes that are no UTF-8, and the hole that a writer without append leaves', () => {
    const splitter = new LineSplitter();
    const [bad, hole] = [...splitter.feed(new Uint8Array([0xff, 10, 0, 0, 0, 97, 10]))];
    expect([bad?.text, hole?.text]).toEqual(['\ufffd', 'a']);
  });
});

describe('lineTime', () => {
  const now = Date.UTC(2026, 0, 2);
  test.each([
    ['2025-11-21T14:36:01.123456Z hello', Date.UTC(2025, 10, 21, 14, 36, 1, 123)],
    ['[2025-11-21 14:36:01,5 +02:00] x', Date.UTC(2025, 10, 21, 12, 36, 1, 500)],
    ['{"time":"2025-11-21T14:36:01-0130"}', Date.UTC(2025, 10, 21, 16, 6, 1)],
    ['1.2.3.4 - - [21/Nov/2025:14:36:01 +0000] "GET /"', Date.UTC(2025, 10, 21, 14, 36, 1)],
    ['1763735761.25 x', 1_763_735_761_250],
    ['Dec 31 10:00:00 host app: x', new Date(2025, 11, 31, 10).getTime()],
    ['<13>Jan  1 10:00:00 host app: x', new Date(2026, 0, 1, 10).getTime()],
    ['no time at all', undefined],
    ['', undefined],
  ])('%s', (line, wanted) => expect(lineTime(line, now)).toBe(wanted));

  test('any text gives a number or nothing', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (line) => {
        expect(['number', 'undefined']).toContain(typeof lineTime(line, now));
      }),
    );
  });
  test('every time comes back', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }), (date) => {
        expect(lineTime(`${date.toISOString()} x`, now)).toBe(date.getTime());
      }),
    );
  });
});

describe('cursors and marks', () => {
  test('a place comes back from its text', () => {
    const place = { key: '64768-131', offset: 12_345, mark: markOf(bytes('last line\n')) };
    expect(parsePlace(placeText(place))).toEqual(place);
  });
  test.each([
    '',
    'file:',
    'file:1:2:3:4',
    'journal:x',
    'file:1-1:-5:0:',
    'file:1-1:99999999999999999:0:',
    'file:1-1:1:100:a',
  ])('%p is none', (text) => expect(parsePlace(text)).toBeUndefined());
  test('any text is a place or none', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(() => parsePlace(`file:${text}`)).not.toThrow()));
  });
  test('heads agree as far as both go', () => {
    expect(isSameHead(bytes('abc'), bytes('abcd'))).toBe(true);
    expect(isSameHead(bytes('abc'), bytes('abd'))).toBe(false);
    expect(isSameHead(bytes(''), bytes('abd'))).toBe(false);
  });
});

describe('LineFilter', () => {
  test('lines without a time have that of the line before', () => {
    const filter = new LineFilter({ since: 10, until: 20 });
    expect(filter.wants('before any time', undefined)).toBe(true);
    expect([filter.wants('a', 5), filter.wants('more of a', undefined)]).toEqual([false, false]);
    expect([filter.wants('b', 15), filter.wants('more of b', undefined)]).toEqual([true, true]);
    expect([filter.wants('c', 25), filter.isPast]).toEqual([false, true]);
  });
  test('a pattern that cannot be read is refused', () => {
    expect(() => new LineFilter({ grep: '/[/' })).toThrow(Refused);
  });
});

describe('LG-3 NewestLines', () => {
  const line = (n: number) => ({ at: null, text: `${n}`.padEnd(100), cursor: String(n) });
  test('keeps the newest and counts the others', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('push', 'push', 'push', 'take'), { maxLength: 120 }), (steps) => {
        const kept = new NewestLines(2000);
        let next = 0;
        let seen = 0;
        const take = () => {
          for (const { text } of kept.take()) {
            const gone = /^\[labmesh: (\d+) lines dropped\]$/.exec(text);
            if (gone === null) expect(Number(text)).toBe(seen++);
            else seen += Number(gone[1]);
          }
        };
        for (const step of steps) {
          if (step === 'push') kept.push(line(next++));
          else take();
        }
        while (!kept.isEmpty) take();
        expect(seen).toBe(next);
      }),
    );
  });
  test('one line larger than the bound still goes', () => {
    const kept = new NewestLines(10);
    kept.push(line(1));
    expect(kept.take()).toHaveLength(1);
    expect(kept.isEmpty).toBe(true);
  });
});

describe('journal', () => {
  test('any JSON is an entry or none', () => {
    fc.assert(
      fc.property(fc.json(), fc.anything(), (json, value) => {
        expect(() => parseEntry(json)).not.toThrow();
        const entry = parseEntry(JSON.stringify({ __CURSOR: 'c', MESSAGE: value }) ?? '');
        if (entry !== undefined) expect(typeof entry.text).toBe('string');
      }),
    );
  });
  test('nothing that is asked becomes an option of its own', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (grep, cursor) => {
        const open = { kind: 'logs', server: 'x', follow: true, grep } as const;
        const words = journalArguments(open, { cursor }, true);
        expect(words.every((word) => word.startsWith('--'))).toBe(true);
        expect(words.filter((word) => word.startsWith('--grep=') || word.startsWith('--after-cursor='))).toHaveLength(
          2,
        );
      }),
    );
  });
});
