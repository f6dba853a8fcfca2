import { thrower } from '@labmesh/wire/testing/errors';
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { testSealer } from '../testing/test-sealer.ts';
import { type KeyFolder, openKeyRing, readKeyRing, sealKeys, writeKeyRing } from './key-folder.ts';
import { textOf } from '../bytes/bytes.ts';
import { announcedMs, keyInForce, type KeyRing, rotateKey, trustOf } from './key-ring.ts';
import { keyRingBytes } from './stored-ring.ts';
import { trustText } from './trust.ts';

const keyid = (ring: KeyRing, at: number) => keyInForce(ring, 'certificate', at).keyid;

/** Which private keys can be read in a text: as base64 of the whole, as base64 of the end, or as bytes. */
function leaks(ring: KeyRing, text: string): string[] {
  return [...ring.keys, ring.log].flatMap(({ signer }) => {
    const pkcs8 = signer !== undefined && 'exportPkcs8' in signer ? signer.exportPkcs8() : new Uint8Array(0);
    const seed = pkcs8.subarray(-32);
    const forms = [pkcs8.toBase64(), seed.toBase64().slice(0, 40), seed.toHex(), Buffer.from(seed).toString('latin1')];
    return forms.some((form) => text.includes(form)) ? [signer?.publicKey.keyid ?? ''] : [];
  });
}

/** As a version that did not seal left it. */
const leaveClear = (folder: KeyFolder, ring: KeyRing) =>
  writeFileSync(join(folder.path, 'keys.json'), keyRingBytes(ring), { mode: 0o600 });

describe('the folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'attest-keys-'));
  afterAll(() => rmSync(root, { recursive: true }));
  let folders = 0;
  const newFolder = () => ({ path: join(root, `${folders++}`), sealer: testSealer() });

  test('has keys made when there are none, for the owner alone', async () => {
    const folder = newFolder();
    expect(await readKeyRing(folder)).toBeUndefined();
    const ring = await openKeyRing(folder, now);
    expect(statSync(folder.path).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder.path, 'keys.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder.path, 'trust.json')).mode & 0o777).toBe(0o644);
    expect(readdirSync(folder.path).toSorted()).toEqual(['keys.json', 'trust.json']);
    expect(trustText(trustOf((await readKeyRing(folder)) ?? ring))).toBe(trustText(trustOf(ring)));
    expect(keyid(await openKeyRing(folder, now + 1), now)).toBe(keyid(ring, now));
  });

  test('is not made with a name for the log that no checkpoint can bear', async () => {
    const folder = newFolder();
    for (const origin of ['', 'a b', 'a\nb', 'a+b']) {
      expect(await refusalOf(() => openKeyRing(folder, now, origin))).toBe('NOTE_BAD');
    }
    expect(await readKeyRing(folder)).toBeUndefined();
  });

  test('gives no private key away in what others read', async () => {
    const folder = newFolder();
    const ring = await openKeyRing(folder, now);
    const trust = readFileSync(join(folder.path, 'trust.json'), 'utf8');
    expect(leaks(ring, trust)).toEqual([]);
    // The file that is sealed gives as much away.
    expect(leaks(ring, readFileSync(join(folder.path, 'keys.json'), 'latin1'))).toEqual([]);
    expect(leaks(ring, Buffer.from(keyRingBytes(ring)).toString('latin1'))).toHaveLength(3);
  });

  test('keeps rotations, and tells verifiers after a crash in between', async () => {
    const folder = newFolder();
    const rotated = await rotateKey(await openKeyRing(folder, now, 'labmesh.example/log'), 'certificate', now);
    const before = readFileSync(join(folder.path, 'trust.json'));
    await writeKeyRing(folder, rotated);
    writeFileSync(join(folder.path, 'trust.json'), before);
    const ring = await openKeyRing(folder, now + announcedMs);
    expect(keyid(ring, now + announcedMs)).toBe(rotated.keys.at(-1)?.keyid ?? '');
    expect(readFileSync(join(folder.path, 'trust.json'), 'utf8')).toBe(trustText(trustOf(rotated)));
  });

  test('is refused when others can read the keys, or they are not what they should be; nothing of them is told', async () => {
    const folder = newFolder();
    await openKeyRing(folder, now);
    const path = join(folder.path, 'keys.json');
    chmodSync(path, 0o640);
    expect(await refusalOf(() => readKeyRing(folder))).toBe('KEY_BAD');
    chmodSync(path, 0o600);
    const text = textOf(keyRingBytes((await readKeyRing(folder)) as KeyRing), 'JSON_BAD');
    const keys = JSON.parse(text) as { keys: { pkcs8: string }[] };
    keys.keys.push(keys.keys.shift() as { pkcs8: string });
    const crossed = structuredClone(keys);
    crossed.keys.forEach((key, index) => (key.pkcs8 = keys.keys.at(index - 1)?.pkcs8 ?? ''));
    // As an older version left it.
    writeFileSync(path, text);
    expect((await readKeyRing(folder))?.log.origin).toMatch(/^labmesh/);
    for (const bad of ['', '{}', text.replace('"version":1', '"version":2'), JSON.stringify(crossed)]) {
      writeFileSync(path, bad);
      const error = await readKeyRing(folder).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(AttestRefused);
      expect((error as AttestRefused).code).toBe('KEY_BAD');
      for (const { pkcs8 } of keys.keys) expect((error as Error).message).not.toContain(pkcs8.slice(20, 40));
      expect(await sealKeys(folder).catch((one: AttestRefused) => one.code)).toBe('KEY_BAD');
      expect(readFileSync(path, 'utf8')).toBe(bad);
    }
    writeFileSync(path, 'x'.repeat(1_048_577));
    expect(await refusalOf(() => readKeyRing(folder))).toBe('TOO_LARGE');
  });

  test('takes over keys that lie open: sealed in place, the same keys, and nothing of them is left beside', async () => {
    const folder = newFolder();
    const ring = await openKeyRing(folder, now);
    leaveClear(folder, ring);
    // A write that was killed, of that version.
    writeFileSync(join(folder.path, 'keys.json.77.3.tmp'), keyRingBytes(ring), { mode: 0o600 });
    expect(await sealKeys(folder)).toBe('clear');
    expect(readdirSync(folder.path).toSorted()).toEqual(['keys.json', 'trust.json']);
    for (const name of readdirSync(folder.path)) {
      expect(leaks(ring, readFileSync(join(folder.path, name), 'latin1'))).toEqual([]);
    }
    expect(statSync(join(folder.path, 'keys.json')).mode & 0o777).toBe(0o600);
    expect(trustText(trustOf((await readKeyRing(folder)) as KeyRing))).toBe(trustText(trustOf(ring)));
    const sealed = readFileSync(join(folder.path, 'keys.json'));
    expect(await sealKeys(folder)).toBe('current');
    expect(readFileSync(join(folder.path, 'keys.json'))).toEqual(sealed);
    expect(await sealKeys(newFolder())).toBeUndefined();
  });

  test('goes over to another key of the sealer; what it cannot open stays, and none are made in its place', async () => {
    const folder = newFolder();
    const ring = await openKeyRing(folder, now);
    const sealed = readFileSync(join(folder.path, 'keys.json'));
    const other = { ...folder, sealer: testSealer('b') };
    for (const work of [readKeyRing, sealKeys, (one: KeyFolder) => openKeyRing(one, now)]) {
      expect(await thrower(work(other))).toThrow('another key');
    }
    const changed = Buffer.from(sealed);
    changed[40] = (changed[40] ?? 0) ^ 1;
    writeFileSync(join(folder.path, 'keys.json'), changed);
    expect(await thrower(openKeyRing(folder, now))).toThrow();
    expect(readFileSync(join(folder.path, 'keys.json'))).toEqual(changed);
    writeFileSync(join(folder.path, 'keys.json'), sealed);
    const next = { ...folder, sealer: testSealer('b', ['a']) };
    expect(await sealKeys(next)).toBe('older');
    expect(await sealKeys(next)).toBe('current');
    expect(keyid((await readKeyRing(other)) as KeyRing, now)).toBe(keyid(ring, now));
  });
});
