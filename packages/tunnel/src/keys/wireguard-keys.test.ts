import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  dropNextWireguardKeys,
  findNextWireguardKeys,
  generateWireguardKeys,
  loadWireguardKeys,
  makeNextWireguardKeys,
  parseWireguardKey,
  promoteNextWireguardKeys,
  wireguardPublicKey,
} from './wireguard-keys.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'labmesh-keys-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const paths = () => ({ privateKeyPath: join(folder, 'wg.key'), publicKeyPath: join(folder, 'wg.pub') });

describe('WireGuard keys', () => {
  test('the public key is the one of X25519', () => {
    const known = '7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13';
    expect(Buffer.from(wireguardPublicKey(new Uint8Array(32).fill(0x11))).toString('hex')).toBe(known);
  });

  test('are made once, 0600 and 0644, and read again', () => {
    const made = loadWireguardKeys(paths());
    expect(statSync(paths().privateKeyPath).mode & 0o777).toBe(0o600);
    expect(statSync(paths().publicKeyPath).mode & 0o777).toBe(0o644);
    expect(loadWireguardKeys(paths())).toEqual(made);
    expect(parseWireguardKey(readFileSync(paths().publicKeyPath, 'utf8'))).toEqual(made.publicKey);
  });

  test('a public file that says something else is put right', () => {
    const made = loadWireguardKeys(paths());
    writeFileSync(paths().publicKeyPath, 'old\n');
    expect(loadWireguardKeys(paths())).toEqual(made);
    expect(parseWireguardKey(readFileSync(paths().publicKeyPath, 'utf8'))).toEqual(made.publicKey);
  });

  test('a key that others may read does not load, nor does one of another form', () => {
    loadWireguardKeys(paths());
    chmodSync(paths().privateKeyPath, 0o640);
    expect(() => loadWireguardKeys(paths())).toThrow('expected mode 0600, found 0640; run chmod 600');
    chmodSync(paths().privateKeyPath, 0o600);
    writeFileSync(paths().privateKeyPath, 'AAAA\n');
    expect(() => loadWireguardKeys(paths())).toThrow('expected the base64 of 32 bytes');
  });

  test('each pair is another, clamped', () => {
    const [one, two] = [generateWireguardKeys(), generateWireguardKeys()];
    expect(one.privateKey).not.toEqual(two.privateKey);
    expect((one.privateKey[0] ?? 1) & 7).toBe(0);
    expect((one.privateKey[31] ?? 0) >> 6).toBe(1);
  });
});

describe('a next WireGuard pair', () => {
  test('is made once, 0600, found again, and takes the place of the own one', () => {
    const own = loadWireguardKeys(paths());
    expect(findNextWireguardKeys(paths())).toBeUndefined();
    const next = makeNextWireguardKeys(paths());
    expect([makeNextWireguardKeys(paths()), findNextWireguardKeys(paths())]).toEqual([next, next]);
    expect(next.publicKey).not.toEqual(own.publicKey);
    expect(statSync(`${paths().privateKeyPath}.next`).mode & 0o777).toBe(0o600);
    expect(loadWireguardKeys(paths())).toEqual(own);
    promoteNextWireguardKeys(paths());
    expect(readdirSync(folder).toSorted()).toEqual(['wg.key', 'wg.pub']);
    expect(loadWireguardKeys(paths())).toEqual(next);
    expect(parseWireguardKey(readFileSync(paths().publicKeyPath, 'utf8'))).toEqual(next.publicKey);
  });

  test('cut short at either step is whole or none', () => {
    loadWireguardKeys(paths());
    // Between the two files of one that is made; then between the rename and what follows it.
    const next = makeNextWireguardKeys(paths());
    rmSync(`${paths().publicKeyPath}.next`);
    expect(findNextWireguardKeys(paths())).toEqual(next);
    renameSync(`${paths().privateKeyPath}.next`, paths().privateKeyPath);
    expect(findNextWireguardKeys(paths())).toBeUndefined();
    expect(existsSync(`${paths().publicKeyPath}.next`)).toBe(false);
    expect(loadWireguardKeys(paths())).toEqual(next);
  });

  test('goes when it is given up; one that is broken is told', () => {
    loadWireguardKeys(paths());
    makeNextWireguardKeys(paths());
    dropNextWireguardKeys(paths());
    expect(readdirSync(folder).toSorted()).toEqual(['wg.key', 'wg.pub']);
    writeFileSync(`${paths().privateKeyPath}.next`, 'none', { mode: 0o600 });
    expect(() => findNextWireguardKeys(paths())).toThrow('expected the base64 of 32 bytes');
  });
});
