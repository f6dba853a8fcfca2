import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { passphraseKey } from '@labmesh/pki/seal/kek';
import { openBackup, sealBackup, type OpenedBackup } from './backup-file.ts';

setDefaultTimeout(30_000);
const passphrase = 'correct horse battery';
const plain = Buffer.concat([randomBytes(150_000), Buffer.alloc(100_000, 'labmesh ')]);
let dir = '';
let path = '';
let file: Buffer;
/** Opened once: the key takes half a second. Its content is read from the file each time. */
let opened: OpenedBackup;

// oxlint-disable-next-line typescript/require-await -- a source is asynchronous
async function* sourceOf(bytes: Uint8Array, step: number) {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step);
}
const seal = async (bytes: Uint8Array, step = 7_000) =>
  Buffer.concat(await Array.fromAsync(sealBackup(sourceOf(bytes, step), passphrase, 1_766_275_200_000)));
const contentOf = async () => Buffer.concat(await Array.fromAsync(opened.content()));
const refused = async (text: string) =>
  expect(await errorOf(contentOf())).toMatchObject({
    code: 'VALIDATION_FAILED',
    message: expect.stringContaining(text),
  });

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'labmesh-backup-'));
  path = join(dir, 'x.labbak');
  file = await seal(plain);
  writeFileSync(path, file);
  opened = await openBackup(path, passphrase);
});
afterAll(() => rmSync(dir, { recursive: true }));

describe('the outside of a backup', () => {
  test('section 5: scrypt of `correct horse`', async () => {
    const key = await passphraseKey('correct horse', new Uint8Array(16).fill(0x33));
    expect(Buffer.from(key).toString('hex')).toBe('04003db4e2b829a33d419162963a0bb3b45727eb6e0170f469edf45df88c30a3');
  });

  test('BK-1: what was sealed comes back, and as often as one likes', async () => {
    expect(opened.createdAt).toBe(1_766_275_200_000);
    expect((await contentOf()).equals(plain)).toBe(true);
    expect((await contentOf()).equals(plain)).toBe(true);
    expect(file.includes('labmesh labmesh')).toBe(false);
  });

  test.each([0, 1, 63_999, 64_000, 64_001, 128_000])('BK-1: %d bytes', async (length) => {
    const other = join(dir, `length-${length}`);
    const bytes = plain.subarray(0, length);
    writeFileSync(other, await seal(bytes, 50_000));
    const all = Buffer.concat(await Array.fromAsync((await openBackup(other, passphrase)).content()));
    expect(all.equals(bytes)).toBe(true);
  });

  test('BK-1: a bit that flips anywhere behind the head is found', async () => {
    const head = 12 + file.readUInt32BE(8);
    for (let i = 0; i < 120; i++) {
      const at = head + Math.floor((i * (file.length - head - 1)) / 119);
      const bad = Buffer.from(file);
      bad[at] = (bad[at] ?? 0) ^ (1 << (i & 7));
      writeFileSync(path, bad);
      await refused('');
    }
    writeFileSync(path, file);
  });

  test('BK-1: a file that is cut anywhere is found; so is one that is longer', async () => {
    for (let i = 0; i < 60; i++) {
      truncateSync(path, 100 + Math.floor((i * (file.length - 101)) / 59));
      await refused('cut off');
      writeFileSync(path, file);
    }
    writeFileSync(path, Buffer.concat([file, Uint8Array.of(0)]));
    await refused('damaged');
    writeFileSync(path, file);
  });

  test('BK-1: the head is part of what is sealed', async () => {
    const bad = Buffer.from(file);
    const at = bad.indexOf('1766275200000');
    bad.write('1766275200001', at, 'latin1');
    const other = join(dir, 'head');
    writeFileSync(other, bad);
    const late = await openBackup(other, passphrase);
    expect(await thrower(Array.fromAsync(late.content()))).toThrow('passphrase is wrong, or the backup is damaged');
  });

  test('BK-2: a wrong passphrase, other files and a newer version are told apart from nothing else', async () => {
    const wrong = await openBackup(path, 'incorrect horse');
    expect(await thrower(Array.fromAsync(wrong.content()))).toThrow(
      'the passphrase is wrong, or the backup is damaged',
    );
    const other = join(dir, 'other');
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('labmbak1'),
      Buffer.from('PK\x03\x04 and so on'),
      Buffer.from('labmbak1\xff\xff\xff\xff', 'latin1'),
    ]) {
      writeFileSync(other, bytes);
      expect(await thrower(openBackup(other, passphrase))).toThrow('no backup of labmesh');
    }
    writeFileSync(other, file.subarray(0, 40));
    expect(await thrower(openBackup(other, passphrase))).toThrow('cut off');
    const newer = Buffer.from(file);
    newer[newer.indexOf('"version":1') + 10] = '2'.charCodeAt(0);
    writeFileSync(other, newer);
    expect(await thrower(openBackup(other, passphrase))).toThrow('newer release');
  });

  test('a short passphrase is refused before anything is written', async () => {
    expect(await errorOf(Array.fromAsync(sealBackup(sourceOf(plain, 100), 'short', 0)))).toMatchObject({
      code: 'VALIDATION_FAILED',
      field: 'passphrase',
    });
  });
});
