/** Trust files, key rings and the folder they lie in: rotation, ends, and who may vouch for whom. */
import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { AttestRefused } from '../attest-refused.ts';
import { utf8 } from '../bytes/bytes.ts';
import { canonicalBytes, type Json } from '../json/canonical-json.ts';
import { refusalOf } from '../testing/refusal.ts';
import { sampleNow as now } from '../testing/sample-certificate.ts';
import { endorseKey, followTrust } from './endorsement.ts';
import { openKeyRing, readKeyRing, writeKeyRing } from './key-folder.ts';
import { announcedMs, endKey, keyInForce, type KeyRing, newKeyRing, rotateKey, trustOf } from './key-ring.ts';
import { generateSigner } from './signing-key.ts';
import { isInForce, parseTrust, type Trust, trustText } from './trust.ts';

const keyid = (ring: KeyRing, at: number, usage: 'certificate' | 'revocation' = 'certificate') =>
  keyInForce(ring, usage, at).keyid;

describe('trust files', () => {
  const text = trustText(trustOf(newKeyRing(now, 'labmesh.example/log')));
  const edited = (edit: (file: { [key: string]: Json }) => void): Uint8Array<ArrayBuffer> => {
    const file = JSON.parse(text) as { [key: string]: Json };
    edit(file);
    return canonicalBytes(file);
  };
  const firstKey = (file: { [key: string]: Json }) => (file['keys'] as { [key: string]: Json }[])[0] ?? {};

  test('go there and back, also with fields that nobody knows and laid out by hand', () => {
    const trust = parseTrust(utf8(text));
    expect(trustText(trust)).toBe(text);
    expect(trust.keys.map(({ usage }) => usage)).toEqual(['certificate', 'revocation']);
    const more = edited((file) => Object.assign(file, { note: 'ours' }));
    expect(parseTrust(utf8(JSON.stringify(JSON.parse(new TextDecoder().decode(more)), null, 2)))).toEqual(trust);
  });

  test('a key for a use unknown here is passed over', () => {
    const trust = parseTrust(
      edited(
        (file) => void ((file['keys'] as Json[])[1] = { ...(file['keys'] as object[])[1], usage: 'witness' } as Json),
      ),
    );
    expect(trust.keys).toHaveLength(1);
  });

  test.each([
    ['a keyid of another key', (file) => Object.assign(firstKey(file), { keyid: '0'.repeat(64) }), 'TRUST_BAD'],
    ['a key twice', (file) => void (file['keys'] as Json[]).push(firstKey(file)), 'TRUST_BAD'],
    ['no key', (file) => void (file['keys'] = []), 'TRUST_BAD'],
    ['a threshold of nothing', (file) => void (file['threshold'] = 0), 'TRUST_BAD'],
    ['a threshold above the keys', (file) => void (file['threshold'] = 2), 'TRUST_BAD'],
    ['no threshold', (file) => void delete file['threshold'], 'TRUST_BAD'],
    [
      'a time that is none',
      (file) => Object.assign(firstKey(file), { not_before: '2026-02-30T00:00:00Z' }),
      'TRUST_BAD',
    ],
    ['a log key of another length', (file) => Object.assign(file['log'] as object, { key: 'AAAA' }), 'KEY_BAD'],
    ['a key that is none', (file) => Object.assign(firstKey(file), { spki: 'AAAA' }), 'ALGORITHM_UNKNOWN'],
  ] as [string, (file: { [key: string]: Json }) => void, string][])('refused: %s', async (_, edit, code) => {
    expect(await refusalOf(() => parseTrust(edited(edit)))).toBe(code as never);
  });

  test('two thresholds in one file are refused, whichever a parser would take', async () => {
    expect(await refusalOf(() => parseTrust(utf8(text.replace('"threshold":1', '"threshold":1,"threshold":1'))))).toBe(
      'JSON_BAD',
    );
  });

  test('whatever it is, it is read or refused by name', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc
            .record({ keys: fc.jsonValue(), log: fc.jsonValue(), threshold: fc.nat() })
            .map((one) => JSON.stringify(one)),
        ),
        (json) => {
          try {
            parseTrust(utf8(json));
            expect.unreachable();
          } catch (error) {
            expect(error).toBeInstanceOf(AttestRefused);
          }
        },
      ),
    );
  });
});

describe('rotation', () => {
  test('announces a key a day ahead; the old one signs until then, and never again', async () => {
    const first = newKeyRing(now);
    const rotated = await rotateKey(first, 'certificate', now);
    const [old, next] = [keyid(first, now), rotated.keys.at(-1)?.keyid ?? ''];
    expect(keyid(rotated, now)).toBe(old);
    expect(keyid(rotated, now + announcedMs - 1)).toBe(old);
    expect(keyid(rotated, now + announcedMs)).toBe(next);
    expect(keyid(rotated, now, 'revocation')).toBe(keyid(first, now, 'revocation'));
    expect(await refusalOf(() => rotateKey(rotated, 'certificate', now + 1))).toBe('KEY_WINDOW');
    const again = await rotateKey(rotated, 'certificate', now + announcedMs);
    // The private part of the one whose time is over is gone; what it signed can still be checked.
    expect(again.keys.find((key) => key.keyid === old)?.signer).toBeUndefined();
    expect(trustOf(again).keys.filter(({ usage }) => usage === 'certificate')).toHaveLength(3);
  });

  test('no two keys of one use are in force at a time, whatever is rotated', async () => {
    let [ring, at] = [newKeyRing(now), now];
    for (let round = 0; round < 8; round++) {
      ring = await rotateKey(ring, 'certificate', at);
      at += announcedMs + round * 1000;
      for (const moment of [at - announcedMs, at - 1, at]) {
        const inForce = ring.keys.filter((key) => key.usage === 'certificate' && isInForce(key, moment));
        expect(inForce).toHaveLength(1);
      }
    }
  });

  test('64 keys and no more', async () => {
    let [ring, at] = [newKeyRing(now), now];
    for (; ring.keys.length < 64; at += announcedMs) ring = await rotateKey(ring, 'certificate', at);
    expect(await refusalOf(() => rotateKey(ring, 'certificate', at))).toBe('TOO_LARGE');
  });
});

describe('a key that is ended', () => {
  test('is followed at once, and vouches for nothing', async () => {
    const ring = newKeyRing(now);
    const stolen = keyid(ring, now);
    const ended = await endKey(ring, stolen, now + 5);
    expect(keyid(ended, now + 5)).not.toBe(stolen);
    expect(ended.keys.at(-1)?.endorsement).toBeUndefined();
    expect(ended.keys.find((key) => key.keyid === stolen)).toMatchObject({ notAfter: now + 5, signer: undefined });
    expect(await refusalOf(() => endKey(ring, 'none', now))).toBe('KEY_NOT_FOUND');
  });

  test('before it began leaves no gap: another takes its place', async () => {
    const rotated = await rotateKey(newKeyRing(now), 'certificate', now);
    const announced = rotated.keys.at(-1)?.keyid ?? '';
    const ended = await endKey(rotated, announced, now + 5);
    for (const at of [now + 5, now + announcedMs, now + 10 * announcedMs]) expect(keyid(ended, at)).not.toBe(announced);
    await followTrust(trustOf(newTrustOf(rotated)), trustOf(ended));
  });

  test('long ago stays as it was', async () => {
    const rotated = await rotateKey(newKeyRing(now), 'certificate', now);
    const old = keyid(rotated, now);
    const later = await endKey(rotated, old, now + 3 * announcedMs);
    expect(later.keys.find((key) => key.keyid === old)?.notAfter).toBe(now + announcedMs);
    expect(later.keys).toHaveLength(rotated.keys.length);
  });
});

/** The ring as verifiers knew it before the last key was added. */
const newTrustOf = (ring: KeyRing): KeyRing => ({
  ...ring,
  keys: ring.keys.slice(0, -1).map((key) => ({ ...key, notAfter: undefined })),
});

describe('following a rotation without a second safe way', () => {
  const first = newKeyRing(now, 'labmesh.example/log');
  const known = trustOf(first);
  const follow = (next: Trust, from = known) => refusalOf(() => followTrust(from, next));

  test('over one and over two rotations', async () => {
    const once = await rotateKey(first, 'certificate', now);
    const twice = await rotateKey(once, 'certificate', now + announcedMs);
    expect([await follow(trustOf(once)), await follow(trustOf(twice))]).toEqual([undefined, undefined]);
    expect(await follow(parseTrust(utf8(trustText(trustOf(twice)))))).toBeUndefined();
  });

  test('not to a key that nobody vouches for, or a stranger, or one for another use', async () => {
    const once = await rotateKey(first, 'certificate', now);
    const next = once.keys.at(-1) as KeyRing['keys'][number];
    const withNext = (changes: Partial<typeof next>): Trust => ({
      ...known,
      keys: [...known.keys, { ...next, ...changes }],
    });
    expect(await follow(withNext({ endorsement: undefined }))).toBe('TRUST_BAD');
    expect(await follow(withNext({ endorsement: await endorseKey(next, generateSigner()) }))).toBe('SIGNATURE_BAD');
    const forRevocations = keyInForce(first, 'revocation', now).signer;
    expect(await follow(withNext({ endorsement: await endorseKey(next, forRevocations) }))).toBe('SIGNATURE_BAD');
    const other = { ...generateSigner().publicKey, usage: next.usage, notBefore: next.notBefore };
    expect(await follow(withNext({ ...other, endorsement: next.endorsement }))).toBe('TRUST_BAD');
    expect(await follow(withNext({ notBefore: next.notBefore - 1 }))).toBe('TRUST_BAD');
  });

  test('not by a key whose time was over: it may be in other hands', async () => {
    const ended = await endKey(first, keyid(first, now), now + 5);
    const stolen = keyInForce(first, 'certificate', now).signer;
    const key = {
      ...generateSigner().publicKey,
      usage: 'certificate',
      notBefore: now + 1000,
      notAfter: undefined,
    } as const;
    const forged = { ...key, endorsement: await endorseKey({ ...key, endorsement: undefined }, stolen) };
    const from = trustOf(ended);
    expect(await follow({ ...from, keys: [...from.keys, forged] }, from)).toBe('SIGNATURE_BAD');
  });

  test('not to another log or threshold, nor back to when an ended key was good', async () => {
    const ended = await endKey(first, keyid(first, now), now + 5);
    expect(await follow(known, trustOf(ended))).toBe('TRUST_BAD');
    expect(await follow({ ...known, threshold: 2 })).toBe('TRUST_BAD');
    expect(await follow({ ...known, log: undefined })).toBe('TRUST_BAD');
    expect(await follow({ ...known, log: { origin: 'labmesh.example/log', key: generateSigner().publicKey } })).toBe(
      'TRUST_BAD',
    );
  });
});

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
