import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type FrameSink, SocketFrames, closeFrame, textFrame } from './socket-frames.ts';
import { type ClientFrame, clientFrame, serverFrames } from '../testing/client-frames.ts';

const most = 1_000;

/** All that is heard of bytes that come in these pieces. */
function heard(pieces: readonly Buffer[]): string[] {
  const said: string[] = [];
  const sink: FrameSink = {
    onFragment: () => said.push('fragment'),
    onText: (text) => said.push(`text ${text}`),
    onPing: (payload) => said.push(`ping ${payload.toString()}`),
    onPong: () => said.push('pong'),
    onGoodbye: (code) => said.push(`goodbye ${code}`),
    onProblem: (code) => said.push(`problem ${code}`),
  };
  const frames = new SocketFrames(most, sink);
  for (const piece of pieces) frames.push(piece);
  return said;
}
const of = (...frames: ClientFrame[]) => heard([Buffer.concat(frames.map(clientFrame))]);
const close = (...bytes: number[]) => ({ opcode: 8, payload: Buffer.from(bytes) });

describe('what a client may send', () => {
  test('texts, whole and in fragments, with pings between; then a goodbye, and nothing after it', () => {
    expect(of({ opcode: 1, payload: 'a' }, { opcode: 1, payload: 'b'.repeat(900) })).toEqual([
      'text a',
      `text ${'b'.repeat(900)}`,
    ]);
    const euro = Buffer.from('€');
    const parts = [
      { opcode: 1, payload: euro.subarray(0, 1), fin: false },
      { opcode: 9, payload: 'p' },
      { opcode: 0, payload: '', fin: false },
      { opcode: 10 },
      { opcode: 0, payload: euro.subarray(1) },
      close(0x03, 0xe9, 0x6f, 0x6b),
      { opcode: 1, payload: 'late' },
    ];
    expect(of(...parts)).toEqual(['fragment', 'ping p', 'fragment', 'pong', 'text €', 'goodbye 1001']);
    expect([of(close()), of({ opcode: 1 })]).toEqual([['goodbye 1000'], ['text ']]);
  });

  test.each([
    ['not masked', { opcode: 1, masked: false }, 1002],
    ['reserved bits', { opcode: 1, rsv: 4 }, 1002],
    ['no known kind', { opcode: 3 }, 1002],
    ['a kind of control that is not known', { opcode: 11 }, 1002],
    ['binary', { opcode: 2, payload: 'x' }, 1003],
    ['a fragment of nothing', { opcode: 0 }, 1002],
    ['a ping in fragments', { opcode: 9, fin: false }, 1002],
    ['a ping that is long', { opcode: 9, payload: 'x'.repeat(126) }, 1002],
    ['no UTF-8', { opcode: 1, payload: Buffer.from([0xff]) }, 1007],
    ['half of a character', { opcode: 1, payload: Buffer.from([0xe2, 0x82]) }, 1007],
    ['too much', { opcode: 1, payload: 'x'.repeat(most + 1) }, 1009],
    ['far too much', { opcode: 1, payload: 'x'.repeat(70_000) }, 1009],
    ['a goodbye of one byte', close(1), 1002],
    ['a goodbye with a code that nobody sends', close(0x03, 0xed), 1002],
    ['a goodbye with a code of nobody', close(0x07, 0xd0), 1002],
    ['a goodbye that is no text', close(0x03, 0xe8, 0xff), 1002],
  ] as const)('%s ends it', (_, frame, code) => {
    expect(of(frame, { opcode: 1, payload: 'after' })).toEqual([`problem ${code}`]);
  });

  test('a new text inside of one, and more in fragments than in one piece', () => {
    const open = { opcode: 1, payload: 'x'.repeat(600), fin: false };
    expect(of(open, { opcode: 1, payload: 'y' })).toEqual(['fragment', 'problem 1002']);
    expect(of(open, { opcode: 0, payload: 'x'.repeat(600) })).toEqual(['fragment', 'problem 1009']);
  });

  test('a length in more bytes than it needs, or larger than there is', () => {
    const mask = [0, 0, 0, 0];
    expect(heard([Buffer.from([0x81, 0x80 | 126, 0, 5, ...mask])])).toEqual(['problem 1002']);
    expect(heard([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, ...mask])])).toEqual(['problem 1002']);
    // Refused by its head: nothing of it is waited for.
    expect(heard([Buffer.from([0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255])])).toEqual(['problem 1009']);
  });

  test('in whatever pieces it comes, it is the same; any bytes end in words or a code', () => {
    const frame = fc.record({
      opcode: fc.constantFrom(0, 1, 1, 1, 2, 8, 9, 10, 5),
      payload: fc.oneof(fc.string({ maxLength: 200 }), fc.uint8Array({ maxLength: 200 })),
      fin: fc.boolean(),
      masked: fc.constantFrom(true, true, true, false),
    });
    const input = fc.oneof(
      fc.array(frame, { maxLength: 6 }).map((frames) => Buffer.concat(frames.map(clientFrame))),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(input, fc.array(fc.nat(600), { maxLength: 8 }), (bytes, cuts) => {
        const ends = [...cuts, bytes.length].map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b);
        const pieces = ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
        const whole = heard([bytes]);
        expect(heard(pieces)).toEqual(whole);
        for (const said of whole) expect(said).toMatch(/^(?:fragment|text|ping|pong|goodbye|problem)/);
        expect(whole.filter((said) => /^(?:goodbye|problem)/.test(said)).length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });
});

test('what a server sends is read back, whatever its size', () => {
  for (const size of [0, 125, 126, 65_535, 65_536]) {
    expect(serverFrames(textFrame('x'.repeat(size)))).toEqual([{ opcode: 1, text: 'x'.repeat(size) }]);
  }
  expect(serverFrames(closeFrame(1001, '€'.repeat(100)))).toEqual([{ opcode: 8, text: '€'.repeat(40), code: 1001 }]);
});
