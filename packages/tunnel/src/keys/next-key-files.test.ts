import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import type { RosenpassPair } from '../steps/step-pool.ts';
import { dropNextKeys, nextKeyPaths, promoteNextKeys, replaceRosenpassKeys, settleNextKeys } from './next-key-files.ts';
import { isRosenpassPair, readRosenpassKeys, writeRosenpassKeys } from './rosenpass-keys.ts';

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
let [old, next]: RosenpassPair[] = [];
beforeAll(() => ([old, next] = [generateKeyPair(random, 'pc'), generateKeyPair(random, 'pc')]));

let folder = '';
const paths = () => ({ privateKeyPath: join(folder, 'pqsk'), publicKeyPath: join(folder, 'pqpk') });
const files = () => readdirSync(folder).toSorted();
const isPair = (pair: RosenpassPair | undefined, at: RosenpassPair | undefined) =>
  Buffer.compare(pair?.publicKey ?? Buffer.of(), at?.publicKey ?? Buffer.of(1)) === 0 &&
  Buffer.compare(pair?.secretKey ?? Buffer.of(), at?.secretKey ?? Buffer.of(1)) === 0;
/** Both pairs on disk. */
function writeBoth() {
  writeRosenpassKeys(paths(), old as RosenpassPair);
  writeRosenpassKeys(nextKeyPaths(paths()), next as RosenpassPair);
}

beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-keys-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('halves belong together, or they do not', () => {
  expect(isRosenpassPair(old as RosenpassPair)).toBe(true);
  expect(isRosenpassPair({ secretKey: old?.secretKey, publicKey: next?.publicKey } as RosenpassPair)).toBe(false);
});

describe('the next pair', () => {
  test('is there or not', () => {
    expect(settleNextKeys(paths())).toBe(false);
    writeBoth();
    expect(settleNextKeys(paths())).toBe(true);
    expect(isPair(readRosenpassKeys(paths()), old)).toBe(true);
  });

  test('takes the place of the old one, secret still', () => {
    writeBoth();
    promoteNextKeys(paths());
    expect(isPair(readRosenpassKeys(paths()), next)).toBe(true);
    expect(files()).toEqual(['pqpk', 'pqsk']);
    expect(statSync(paths().privateKeyPath).mode & 0o777).toBe(0o600);
  });

  test('that a crash left half made is thrown away', () => {
    writeBoth();
    rmSync(nextKeyPaths(paths()).publicKeyPath);
    expect(settleNextKeys(paths())).toBe(false);
    expect(files()).toEqual(['pqpk', 'pqsk']);
    expect(isPair(readRosenpassKeys(paths()), old)).toBe(true);
  });

  test('whose secret has taken over before a crash is followed by its public half', () => {
    writeBoth();
    renameSync(nextKeyPaths(paths()).privateKeyPath, paths().privateKeyPath);
    expect(settleNextKeys(paths())).toBe(false);
    expect(isPair(readRosenpassKeys(paths()), next)).toBe(true);
    expect(files()).toEqual(['pqpk', 'pqsk']);
  });

  test('of which a file system kept the later rename only is whole again', () => {
    writeBoth();
    renameSync(nextKeyPaths(paths()).publicKeyPath, paths().publicKeyPath);
    expect(settleNextKeys(paths())).toBe(false);
    expect(isPair(readRosenpassKeys(paths()), next)).toBe(true);
    expect(files()).toEqual(['pqpk', 'pqsk']);
  });

  test('of which half is there, beside nothing, is thrown away', () => {
    writeRosenpassKeys(nextKeyPaths(paths()), next as RosenpassPair);
    rmSync(nextKeyPaths(paths()).privateKeyPath);
    expect(settleNextKeys(paths())).toBe(false);
    expect(files()).toEqual([]);
  });

  test('whose secret is gone otherwise never replaces a public half that fits', () => {
    writeBoth();
    rmSync(nextKeyPaths(paths()).privateKeyPath);
    expect(settleNextKeys(paths())).toBe(false);
    expect(isPair(readRosenpassKeys(paths()), old)).toBe(true);
    expect(files()).toEqual(['pqpk', 'pqsk']);
  });

  test('is dropped without a trace', () => {
    writeBoth();
    dropNextKeys(paths());
    dropNextKeys(paths());
    expect(files()).toEqual(['pqpk', 'pqsk']);
  });
});

test('another pair replaces the own one, and one that was to follow', () => {
  replaceRosenpassKeys(paths(), old as RosenpassPair);
  expect(isPair(readRosenpassKeys(paths()), old)).toBe(true);
  writeRosenpassKeys(nextKeyPaths(paths()), old as RosenpassPair);
  replaceRosenpassKeys(paths(), next as RosenpassPair);
  expect(isPair(readRosenpassKeys(paths()), next)).toBe(true);
  expect(existsSync(nextKeyPaths(paths()).privateKeyPath)).toBe(false);
  expect(readFileSync(paths().publicKeyPath)).toHaveLength(524_160);
});
