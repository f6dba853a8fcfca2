import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { TarError, readTar, tarEnd, tarFile, tarHeader, tarPadding, tarSizeMax } from './tar.ts';

type File = { name: string; bytes: Uint8Array };
const bytesOf = (text: string) => new TextEncoder().encode(text);
const tarOf = (files: readonly File[]) => Buffer.concat([...files.map((f) => tarFile(f.name, f.bytes, 0)), tarEnd]);

// oxlint-disable-next-line typescript/require-await -- a source is asynchronous
async function* piecesOf(bytes: Uint8Array, step: number) {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
  // As a source does whose last chunk was full.
  yield new Uint8Array();
}

async function readAll(bytes: Uint8Array, step = 1_000): Promise<File[]> {
  const files: File[] = [];
  for await (const { name, size, body } of readTar(piecesOf(bytes, step))) {
    const whole = Buffer.concat(await Array.fromAsync(body));
    expect(whole.length).toBe(size);
    files.push({ name, bytes: whole });
  }
  return files;
}

const small: File[] = [
  { name: 'manifest.json', bytes: bytesOf('{}\n') },
  { name: 'tables/a.000001.jsonl', bytes: new Uint8Array(512).fill(65) },
  { name: 'empty', bytes: new Uint8Array() },
];

describe('tar', () => {
  test('BK-1: any files come back, whatever the pieces', async () => {
    const files = fc.array(
      fc.record({
        name: fc.stringMatching(/^[a-z0-9_][a-z0-9_.-]{0,40}$/),
        bytes: fc.uint8Array({ maxLength: 1_500 }),
      }),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 2_000 }), async (list, step) => {
        const found = await readAll(tarOf(list), step);
        expect(found.map(({ name, bytes }) => [name, [...bytes]])).toEqual(list.map((f) => [f.name, [...f.bytes]]));
      }),
    );
  });

  test('a body that is left alone, or half read, does not move the next file', async () => {
    const names: string[] = [];
    for await (const { name, body } of readTar(piecesOf(tarOf(small), 100))) {
      names.push(name);
      if (name.startsWith('tables/')) await body.next();
    }
    expect(names).toEqual(small.map(({ name }) => name));
  });

  test.skipIf(Bun.which('tar') === null)('any tar opens it (needs tar)', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'labmesh-tar-'));
    writeFileSync(join(dir, 'x.tar'), tarOf(small));
    const { exitCode } = Bun.spawnSync(['tar', '-xf', 'x.tar'], { cwd: dir });
    expect(exitCode).toBe(0);
    for (const { name, bytes } of small) expect(readFileSync(join(dir, name)).equals(bytes)).toBe(true);
    writeFileSync(join(dir, 'made'), 'x');
    Bun.spawnSync(['tar', '-b1', '--format=ustar', '-cf', 'y.tar', 'made'], { cwd: dir });
    const [made] = await readAll(readFileSync(join(dir, 'y.tar')));
    expect(made?.name).toBe('made');
    rmSync(dir, { recursive: true });
  });

  test('names and sizes that do not fit are refused', () => {
    for (const name of ['', '/etc/passwd', '../x', 'a/../b', 'a//b', 'A', 'x'.repeat(100), 'a\nb']) {
      expect(() => tarHeader(name, 0, 0)).toThrow(TarError);
    }
    for (const size of [-1, 0.5, tarSizeMax + 1, NaN]) expect(() => tarHeader('x', size, 0)).toThrow(TarError);
    expect(tarHeader('x', tarSizeMax, 0)).toHaveLength(512);
    expect([0, 1, 511, 512, 513].map((size) => tarPadding(size).length)).toEqual([0, 511, 1, 0, 511]);
  });

  test('a tar that is cut anywhere is refused', async () => {
    const whole = tarOf(small);
    for (let length = 0; length < whole.length; length += 37) {
      expect(await errorOf(readAll(whole.subarray(0, length)))).toBeInstanceOf(TarError);
    }
    expect(await errorOf(readAll(Buffer.concat([whole, new Uint8Array(1)])))).toBeInstanceOf(TarError);
  });

  test('any mutation gives files or a TarError, and no name that leads elsewhere', async () => {
    const whole = tarOf(small);
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(edits, async (list) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of list) bytes[at] = value;
        try {
          for (const { name } of await readAll(bytes)) expect(name).not.toMatch(/\.\.\/|^\//);
        } catch (error) {
          expect(error).toBeInstanceOf(TarError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('links, folders and other entries are not ours', async () => {
    const header = Buffer.from(tarHeader('x', 0, 0));
    header[156] = '2'.charCodeAt(0);
    header.fill(32, 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    expect(await thrower(readAll(Buffer.concat([header, tarEnd])))).toThrow('no file of ours');
  });
});
