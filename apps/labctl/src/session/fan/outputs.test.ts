import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitSchema } from '@labmesh/wire/frame/messages';
import fc from 'fast-check';
import type { FanOutput, Write } from './fan-output.ts';
import type { TargetResult } from './fan-result.ts';
import { ndjsonOutput, prefixOutput } from './line-outputs.ts';
import { Spool } from './spool.ts';
import { FoldOutput, GroupOutput, JsonOutput } from './whole-outputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'labctl-fan-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);
const exit = (code: number) => exitSchema.parse({ code, signal: null, bytes: {} });
const ended = (server: string, code = 0): TargetResult => ({
  server,
  state: code === 0 ? 'ok' : 'failed',
  exit: exit(code),
});
const offline: TargetResult = { server: 'db-1', state: 'unreachable', why: 'last seen 3m ago' };

/** What an output wrote, stream by stream, and each write for itself. */
function kept() {
  const writes: [1 | 2, string][] = [];
  const write: Write = async (stream, part) => void writes.push([stream, Buffer.from(part).toString('utf8')]);
  const text = (wanted: 1 | 2) => writes.flatMap(([stream, part]) => (stream === wanted ? [part] : [])).join('');
  return { write, writes, text };
}

/** Two servers whose output comes by turns. */
async function mixed(output: FanOutput): Promise<void> {
  await output.data('web-1', 1, bytes('a1\na'));
  await output.data('web-2', 1, bytes('b1\nb2'));
  await output.data('web-1', 2, bytes('oops\n'));
  await output.data('web-1', 1, bytes('2\n'));
  await output.done(ended('web-1'));
  await output.done(ended('web-2', 3));
  await output.done(offline);
  await output.finish();
}

describe('--output (FO-3)', () => {
  test('prefix: whole lines behind the name, stderr on stderr', async () => {
    const { write, text } = kept();
    await mixed(prefixOutput(write));
    expect(text(1)).toBe('web-1 | a1\nweb-2 | b1\nweb-1 | a2\nweb-2 | b2\n');
    expect(text(2)).toBe('web-1 | oops\n');
  });

  test('a name that moves the cursor is shown as text, the line as it is', async () => {
    const { write, writes } = kept();
    await prefixOutput(write).data('x\u001b[2J', 1, bytes('\u001b[31mred\n'));
    expect(writes).toEqual([[1, 'x\\x1b[2J | \u001b[31mred\n']]);
  });

  test('a frame of empty lines is written in bounded pieces', async () => {
    const { write, writes } = kept();
    const name = 'n'.repeat(200);
    await prefixOutput(write).data(name, 1, new Uint8Array(16_384).fill(0x0a));
    expect(Math.max(...writes.map(([, part]) => part.length))).toBeLessThan(64 * 1024 + 300);
    expect(writes.map(([, part]) => part).join('')).toBe(`${name} | \n`.repeat(16_384));
  });

  test('ndjson: an object a line and one at each end', async () => {
    const { write, text } = kept();
    await mixed(ndjsonOutput(write));
    const objects = text(1)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(objects).toMatchObject([
      { server: 'web-1', stream: 'out', text: 'a1' },
      { server: 'web-2', stream: 'out', text: 'b1' },
      { server: 'web-1', stream: 'err', text: 'oops' },
      { server: 'web-1', stream: 'out', text: 'a2' },
      { server: 'web-1', state: 'ok', exit: { code: 0 } },
      { server: 'web-2', stream: 'out', text: 'b2' },
      { server: 'web-2', state: 'failed', exit: { code: 3 } },
      { server: 'db-1', state: 'unreachable' },
    ]);
    expect(text(2)).toBe('');
  });

  test('group: each server in one piece, when it is through', async () => {
    const { write, text } = kept();
    await mixed(new GroupOutput(write));
    expect(text(1)).toBe('=== web-1: ok\na1\na2\n=== web-2: exit 3\nb1\nb2\n=== db-1: last seen 3m ago\n');
    expect(text(2)).toBe('oops\n');
  });

  test('--fold: those that said the same stand together, the largest group first', async () => {
    const { write, text } = kept();
    const output = new FoldOutput(write);
    for (const [server, said] of [
      ['c', 'other\n'],
      ['b', 'same\n'],
      ['a', 'same\n'],
      ['d', 'same\n'],
    ] as const) {
      // The same bytes in other pieces.
      for (const letter of server === 'a' ? said : [said]) await output.data(server, 1, bytes(letter));
      await output.done(ended(server, server === 'd' ? 1 : 0));
    }
    await output.finish();
    expect(text(1)).toBe('=== a, b (2 servers): ok\nsame\n=== c: ok\nother\n=== d: exit 1\nsame\n');
  });

  test('json: one document, characters that were split included', async () => {
    const { write, text } = kept();
    const output = new JsonOutput(write, 'job-1');
    const snowman = bytes('☃"\n');
    await output.data('web-1', 1, snowman.subarray(0, 2));
    await output.data('web-1', 2, bytes('err\u0007'));
    await output.data('web-1', 1, snowman.subarray(2));
    await output.data('web-2', 1, new Uint8Array([0xff]));
    await output.done(ended('web-1'));
    await output.done(ended('web-2', 2));
    await output.finish();
    expect(JSON.parse(text(1))).toMatchObject({
      job: 'job-1',
      results: [
        { server: 'web-1', state: 'ok', stdout: '☃"\n', stderr: 'err\u0007' },
        { server: 'web-2', state: 'failed', exit: { code: 2 }, stdout: '\ufffd', stderr: '' },
      ],
    });
    const empty = kept();
    await new JsonOutput(empty.write, 'j').finish();
    expect(JSON.parse(empty.text(1))).toEqual({ job: 'j', results: [] });
  });
});

describe('spools', () => {
  const all = async (spool: Spool) => {
    const found = { 1: [] as Uint8Array[], 2: [] as Uint8Array[] };
    for await (const { stream, bytes: part } of spool.read()) found[stream].push(part.slice());
    return { 1: Buffer.concat(found[1]), 2: Buffer.concat(found[2]) };
  };
  let made = 0;
  const spool = () => new Spool(async () => folder, `s${made++}`);

  test('little stays in memory, much goes to a file without a name; all comes back', async () => {
    await using one = spool();
    const [out, err] = [randomBytes(700_000), randomBytes(1_000)];
    const writes: Promise<void>[] = [];
    for (let at = 0; at < out.length; at += 13_337) writes.push(one.append(1, out.subarray(at, at + 13_337)));
    writes.push(one.append(2, err));
    await Promise.all(writes);
    const back = await all(one);
    expect(back[1].equals(out) && back[2].equals(err)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  test('order of pieces, and a sum that only the bytes make', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(1 as const, 2 as const), fc.uint8Array({ maxLength: 200 }))),
        async (pieces) => {
          await using one = spool();
          await using other = spool();
          for (const [stream, part] of pieces) await one.append(stream, part);
          for (const stream of [2, 1] as const) {
            await other.append(stream, Buffer.concat(pieces.filter(([s]) => s === stream).map(([, part]) => part)));
          }
          const back = await all(one);
          for (const stream of [1, 2] as const) {
            expect(back[stream]).toEqual(Buffer.concat(pieces.filter(([s]) => s === stream).map(([, part]) => part)));
          }
          expect(one.sum()).toBe(other.sum());
        },
      ),
      { numRuns: 50 },
    ));

  test('a disk that takes nothing is an error of that server alone', async () => {
    const broken = new Spool(async () => join(folder, 'none'), 'x');
    await broken.append(1, new Uint8Array(10));
    expect(await thrower(broken.append(1, new Uint8Array(100_000)))).toThrow('ENOENT');
    await broken[Symbol.asyncDispose]();
  });
});
