import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  CastError,
  CastReader,
  CastText,
  CastWriter,
  castLimits,
  eventLine,
  parseCastSize,
  playDelayMs,
  type CastEvent,
  type CastHead,
  type CastItem,
} from './asciicast.ts';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const head: CastHead = {
  version: 3,
  term: { cols: 80, rows: 24, type: 'xterm-256color' },
  timestamp: 1_766_275_200,
  command: 'top',
};
const headLine = `${JSON.stringify(head)}\n`;

function readAll(text: string | Uint8Array, step = Infinity): { items: CastItem[]; cut: boolean } {
  const reader = new CastReader();
  const bytes = typeof text === 'string' ? bytesOf(text) : text;
  const items: CastItem[] = [];
  for (let at = 0; at < bytes.length; at += step) items.push(...reader.push(bytes.subarray(at, at + step)));
  const last = reader.end();
  return { items: [...items, ...last.items], cut: last.cut };
}

/** Pieces of a byte string at random places. */
const cutInto = (bytes: Uint8Array, cuts: readonly number[]) => {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
};

describe('writing', () => {
  test('EX-9: the head and each code are written as the format says', () => {
    const cast = new CastWriter(0);
    expect(cast.head(head)).toBe(
      '{"version":3,"term":{"cols":80,"rows":24,"type":"xterm-256color"},"timestamp":1766275200,"command":"top"}\n',
    );
    expect(cast.event('o', 'a"b\r\n\u001b[1m', 250)).toBe('[0.25,"o","a\\"b\\r\\n\\u001b[1m"]\n');
    expect(cast.event('r', '90x30', 1250)).toBe('[1,"r","90x30"]\n');
    expect(cast.event('x', '0', 1250)).toBe('[0,"x","0"]\n');
  });

  test('intervals add up to the time that passed, and a clock that goes back gives 0', () => {
    const times = fc.array(fc.double({ min: 0, max: 400, noNaN: true }), { maxLength: 200 });
    fc.assert(
      fc.property(times, (waits) => {
        const cast = new CastWriter(0);
        let at = 0;
        const lines = waits.map((wait) => cast.event('o', '', (at += wait)));
        const sum = lines.reduce((total, line) => total + (JSON.parse(line) as [number])[0], 0);
        expect(Math.abs(sum - at / 1000)).toBeLessThan(0.001);
      }),
    );
    const cast = new CastWriter(1000);
    expect(cast.event('m', 'x', 400)).toBe('[0,"m","x"]\n');
    expect(cast.event('m', 'x', 1500)).toBe('[0.5,"m","x"]\n');
  });
});

describe('bytes to text', () => {
  test('EX-9: split characters wait, bad bytes become U+FFFD, a byte order mark is kept', () => {
    const text = new CastText();
    const snow = bytesOf('☃');
    expect(text.push(snow.subarray(0, 1))).toBe('');
    expect(text.push(snow.subarray(1, 2))).toBe('');
    expect(text.push(snow.subarray(2))).toBe('☃');
    expect(text.push(Uint8Array.of(0x61, 0xff, 0x62))).toBe('a\ufffdb');
    expect(text.push(bytesOf('\ufeffx'))).toBe('\ufeffx');
    expect(text.end()).toBe('');
    expect(text.push(snow.subarray(0, 2))).toBe('');
    expect(text.end()).toBe('\ufffd');
    expect(text.end()).toBe('');
  });

  test('any bytes in any pieces give what one decoding of the whole gives', () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' }).map(bytesOf));
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 10 }), (all, cuts) => {
        const text = new CastText();
        const got = cutInto(all, cuts).map((piece) => text.push(piece));
        expect(got.join('') + text.end()).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(all));
      }),
    );
  });
});

describe('reading', () => {
  const arbitraryEvent: fc.Arbitrary<CastEvent> = fc.record({
    interval: fc.nat(10_000_000).map((ms) => ms / 1000),
    code: fc.constantFrom('o', 'i', 'r', 'm', 'x', 'z'),
    text: fc.string({ unit: 'binary' }).map((text) => text.toWellFormed()),
  });

  test('what was written comes back, whatever the pieces', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryEvent, { maxLength: 20 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (events, cuts) => {
          const bytes = bytesOf(headLine + events.map(eventLine).join(''));
          const reader = new CastReader();
          const items = cutInto(bytes, cuts).flatMap((piece) => reader.push(piece));
          expect(reader.end()).toEqual({ items: [], cut: false });
          expect(items).toEqual([
            { type: 'head', head },
            ...events.map((each) => ({ type: 'event' as const, ...each })),
          ]);
          expect(reader.head).toEqual(head);
        },
      ),
    );
  });

  test('any mutation gives items or a CastError, nothing else', () => {
    const base = bytesOf(headLine + eventLine({ interval: 1, code: 'o', text: 'hello ☃' }).repeat(3));
    const edits = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edits, fc.integer({ min: 1, max: 64 }), (changes, step) => {
        const bytes = Uint8Array.from(base);
        for (const [at, value] of changes) bytes[at] = value;
        try {
          readAll(bytes, step);
        } catch (error) {
          expect(error).toBeInstanceOf(CastError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test('comments, empty lines, unknown keys and a missing last end of line are fine', () => {
    const text = `# made by hand\n\n{"version":3,"term":{"cols":1,"rows":2},"tags":["a"]}\n# c\n[0.5,"o","a"]\r\n[1,"q",""]`;
    expect(readAll(text)).toEqual({
      items: [
        { type: 'head', head: { version: 3, term: { cols: 1, rows: 2 } } },
        { type: 'event', interval: 0.5, code: 'o', text: 'a' },
        { type: 'event', interval: 1, code: 'q', text: '' },
      ],
      cut: false,
    });
  });

  test('a torn last line is told, not thrown', () => {
    const { items, cut } = readAll(`${headLine}[0,"o","a"]\n[1,"o","b`);
    expect(items).toHaveLength(2);
    expect(cut).toBe(true);
  });

  test.each([
    ['', 1, 'no head'],
    ['{"version":2,"width":80,"height":24}\n', 1, 'not the head'],
    ['[0,"o","a"]\n', 1, 'not the head'],
    [`${headLine}[-1,"o","a"]\n`, 2, 'not [seconds'],
    [`${headLine}[1e99,"o","a"]\n`, 2, 'not [seconds'],
    [`${headLine}[0,"o","a",1]\n`, 2, 'not [seconds'],
    [`${headLine}[0,"o",7]\n`, 2, 'not [seconds'],
    [`${headLine}{}\n`, 2, 'not [seconds'],
    [`${headLine}nope\n`, 2, 'not JSON'],
  ])('%p is refused with its line', (text, line, what) => {
    let caught: unknown;
    try {
      readAll(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(CastError);
    expect(caught).toMatchObject({ line });
    expect(String(caught)).toContain(what);
  });

  test('a line without end is refused before it fills the memory', () => {
    const reader = new CastReader();
    reader.push(bytesOf(headLine));
    const piece = bytesOf('x'.repeat(65_536));
    expect(() => {
      for (let sent = 0; sent <= castLimits.lineBytesMax; sent += piece.length) reader.push(piece);
    }).toThrow(CastError);
  });

  test('the largest frame of control characters fits a line', () => {
    const text = '\u0001'.repeat(65_536);
    expect(readAll(headLine + eventLine({ interval: 0, code: 'o', text })).items[1]).toMatchObject({ text });
  });
});

test('sizes: cols x rows, else undefined', () => {
  expect(parseCastSize('90x30')).toEqual({ cols: 90, rows: 30 });
  for (const bad of ['', '90', '90x', 'x30', '90x30x1', '-1x3', '65536x1', '1x999999']) {
    expect(parseCastSize(bad)).toBeUndefined();
  }
});

test('EX-11: speed and the longest pause', () => {
  expect(playDelayMs(10, { speed: 2 })).toBe(5000);
  expect(playDelayMs(10, { speed: 2, idleMax: 1 })).toBe(500);
  expect(playDelayMs(0.5, { speed: 1, idleMax: 1 })).toBe(500);
});
