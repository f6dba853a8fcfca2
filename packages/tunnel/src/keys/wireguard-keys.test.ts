import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateWireguardKeys, loadWireguardKeys, parseWireguardKey, wireguardPublicKey } from './wireguard-keys.ts';

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
