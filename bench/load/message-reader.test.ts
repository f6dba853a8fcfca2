import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { MessageReader } from './message-reader.ts';

type Seen = { head: string; body: string };

/** Feeds `text` in pieces that end at `cuts` and gives the messages that came out whole. */
function read(text: string, cuts: number[] = [], bodyOptional = false): Seen[] {
  const whole: Seen[] = [];
  let now: Seen = { head: '', body: '' };
  const sink = {
    onHead: (head: string) => {
      now = { head, body: '' };
    },
    onBody: (bytes: Buffer, from: number, to: number) => {
      now.body += bytes.toString('latin1', from, to);
    },
    onEnd: () => void whole.push(now),
  };
  const reader = new MessageReader(sink, bodyOptional);
  const bytes = Buffer.from(text, 'latin1');
  const ends = [...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length];
  let from = 0;
  for (const end of ends) {
    reader.feed(bytes.subarray(from, end));
    from = end;
  }
  return whole;
}

const sized = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const chunked =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: 1\r\n\r\n';
const empty = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';

test('messages come out the same wherever the stream is cut', () => {
  const bodies = ['hello', 'abcde', '', 'hello'];
  fc.assert(
    fc.property(fc.array(fc.nat(400), { maxLength: 12 }), (cuts) => {
      expect(read(sized + chunked + empty + sized, cuts).map((message) => message.body)).toEqual(bodies);
    }),
  );
});

test('a request may have no body, an answer must say where it ends', () => {
  expect(read('GET / HTTP/1.1\r\nHost: x\r\n\r\n', [], true)).toEqual([
    { head: 'GET / HTTP/1.1\r\nHost: x', body: '' },
  ]);
  expect(() => read('HTTP/1.1 200 OK\r\nHost: x\r\n\r\n')).toThrow('without Content-Length');
});

test('bad chunk framing is refused', () => {
  expect(() => read('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n')).toThrow('bad chunk size');
});

test('random bytes throw Error or wait, nothing else', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 200 }), (text) => {
      try {
        read(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`);
      } catch (error) {
        expect((error as Error).message).toMatch(/^(bad chunk size|answer without|message head)/);
      }
    }),
  );
});
