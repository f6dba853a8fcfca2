import { expect, test } from 'bun:test';
import type { Exchange } from '@labmesh/kit/http/exchange';
import fc from 'fast-check';
import { AnswerCopy, CopyBudget, copyBytesMost } from './answer-copy.ts';

/** The end of an answer's way: what arrives there. */
function sink() {
  const seen = { bytes: [] as Uint8Array[], headers: [] as ReadonlyArray<readonly [string, string]> };
  const exchange = {
    start: (_: number, headers: ReadonlyArray<readonly [string, string]>) => void (seen.headers = headers),
    write: (bytes: Uint8Array) => seen.bytes.push(bytes) > 0,
    writeChunk: (framed: Buffer, start: number, end: number) => seen.bytes.push(framed.subarray(start, end)) > 0,
    reply: (_: number, headers: ReadonlyArray<readonly [string, string]>, body: Uint8Array | string) => {
      seen.headers = headers;
      seen.bytes.push(Buffer.from(body as string));
    },
  } as unknown as Exchange;
  return { seen, exchange };
}

test('what goes out and what is kept are the same, in pieces and in chunks', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 5_000 })), (pieces) => {
      const { seen, exchange } = sink();
      const budget = new CopyBudget(copyBytesMost);
      const copy = new AnswerCopy(exchange, budget, 'id');
      copy.start(200, [['content-type', 'text/event-stream; charset=utf-8']]);
      for (const [index, piece] of pieces.entries()) {
        if (index % 2 === 0) copy.write(piece);
        else copy.writeChunk(Buffer.concat([Buffer.from('5\r\n'), piece, Buffer.from('\r\n')]), 3, 3 + piece.length);
      }
      expect(copy.bytes.equals(Buffer.concat(pieces))).toBe(true);
      expect(copy.bytes.equals(Buffer.concat(seen.bytes))).toBe(true);
      expect(copy.isStream).toBe(true);
      expect(seen.headers).toContainEqual(['x-labmesh-verification', 'pending']);
      copy[Symbol.dispose]();
      expect(budget.held).toBe(0);
    }),
  );
});

test('what does not fit is let go at once, and goes out all the same', () => {
  for (const max of [10_000, copyBytesMost * 2]) {
    const { seen, exchange } = sink();
    const budget = new CopyBudget(max);
    const copy = new AnswerCopy(exchange, budget, 'id');
    copy.start(200, []);
    const piece = new Uint8Array(1024 * 1024);
    for (let i = 0; i < 9; i++) copy.write(piece);
    expect([copy.cut, budget.held, seen.bytes.length]).toEqual([true, 0, 9]);
    copy[Symbol.dispose]();
    expect(budget.held).toBe(0);
  }
});

test('a refusal is not kept, and nothing is promised of it', () => {
  const { seen, exchange } = sink();
  const budget = new CopyBudget(copyBytesMost);
  const copy = new AnswerCopy(exchange, budget, 'id');
  copy.reply(400, [], '{"error":{}}');
  expect([copy.status, budget.held, seen.headers.length]).toEqual([400, 0, 0]);
});
