import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AttestRefused } from '../attest-refused.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { openKeyRing, readKeyRing, writeKeyRing } from './key-folder.ts';
import { announcedMs, keyInForce, type KeyRing, rotateKey, trustOf } from './key-ring.ts';
import { trustText } from './trust.ts';

const keyid = (ring: KeyRing, at: number) => keyInForce(ring, 'certificate', at).keyid;

describe('the folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'attest-keys-'));
  afterAll(() => rmSync(root, { recursive: true }));
  let folders = 0;
  const newFolder = () => join(root, `${folders++}`);

  test('has keys made when there are none, for the owner alone', async () => {
    const folder = newFolder();
    expect(await readKeyRing(folder)).toBeUndefined();
    const ring = await openKeyRing(folder, now);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, 'keys.json')).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'trust.json')).mode & 0o777).toBe(0o644);
    expect(readdirSync(folder).toSorted()).toEqual(['keys.json', 'trust.json']);
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
    const trust = readFileSync(join(folder, 'trust.json'), 'utf8');
    for (const { signer } of [...ring.keys, ring.log]) {
      const pkcs8 = signer?.exportPkcs8() ?? new Uint8Array(0);
      expect(trust).not.toContain(pkcs8.subarray(-24).toBase64().slice(0, 28));
      expect(readFileSync(join(folder, 'keys.json'), 'utf8')).toContain(pkcs8.toBase64());
    }
  });

  test('keeps rotations, and tells verifiers after a crash in between', async () => {
    const folder = newFolder();
    const rotated = await rotateKey(await openKeyRing(folder, now, 'labmesh.example/log'), 'certificate', now);
    const before = readFileSync(join(folder, 'trust.json'));
    await writeKeyRing(folder, rotated);
    writeFileSync(join(folder, 'trust.json'), before);
    const ring = await openKeyRing(folder, now + announcedMs);
    expect(keyid(ring, now + announcedMs)).toBe(rotated.keys.at(-1)?.keyid ?? '');
    expect(readFileSync(join(folder, 'trust.json'), 'utf8')).toBe(trustText(trustOf(rotated)));
  });

  test('is refused when others can read the keys, or they are not what they should be; nothing of them is told', async () => {
    const folder = newFolder();
    await openKeyRing(folder, now);
    const path = join(folder, 'keys.json');
    chmodSync(path, 0o640);
    expect(await refusalOf(() => readKeyRing(folder))).toBe('KEY_BAD');
    chmodSync(path, 0o600);
    const text = readFileSync(path, 'utf8');
    const keys = JSON.parse(text) as { keys: { pkcs8: string }[] };
    keys.keys.push(keys.keys.shift() as { pkcs8: string });
    const crossed = structuredClone(keys);
    crossed.keys.forEach((key, index) => (key.pkcs8 = keys.keys.at(index - 1)?.pkcs8 ?? ''));
    for (const bad of ['', '{}', text.replace('"version":1', '"version":2'), JSON.stringify(crossed)]) {
      writeFileSync(path, bad);
      const error = await readKeyRing(folder).catch((one: unknown) => one);
      expect(error).toBeInstanceOf(AttestRefused);
      for (const { pkcs8 } of keys.keys) expect((error as Error).message).not.toContain(pkcs8.slice(20, 40));
    }
    writeFileSync(path, 'x'.repeat(1_048_577));
    expect(await refusalOf(() => readKeyRing(folder))).toBe('TOO_LARGE');
  });
});
