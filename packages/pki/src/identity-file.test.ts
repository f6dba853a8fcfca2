import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IdentityFileError, readIdentity, writeIdentity } from './identity-file.ts';
import { createCross } from './issue/profiles.ts';
import { pemOf, sampleCa } from './testing/sample-ca.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'labmesh-identity-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ca = await sampleCa();
const next = await sampleCa();
const cross = await createCross(ca.root, next.root.certificate, Date.now() - 3_600_000);
const leaf = await ca.leaf('agent', 'a1');
const parts = {
  privatePem: leaf.key.privatePem,
  certificatePem: leaf.certificatePem,
  chainPem: ca.chainPem + pemOf(cross),
  bundlePem: ca.bundlePem + next.bundlePem,
};

test('one file, 0600, comes back as it was; a cross-signed root is chain, not trust (CA-6)', async () => {
  const path = join(folder, 'state', 'identity.pem');
  await writeIdentity(path, parts);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(folder, 'state'))).toEqual(['identity.pem']);
  const read = await readIdentity(path);
  expect(read).toMatchObject({
    certificatePem: parts.certificatePem,
    chainPem: parts.chainPem,
    bundlePem: parts.bundlePem,
  });
  expect(read?.key.keyHash).toBe(leaf.key.keyHash);
  expect(await readIdentity(join(folder, 'none.pem'))).toBeUndefined();
});

test('a file that others can read is refused with the way out', async () => {
  const path = join(folder, 'identity.pem');
  await writeIdentity(path, parts);
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(path, mode);
    const error: unknown = await readIdentity(path).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(IdentityFileError);
    expect((error as IdentityFileError).hint).toBe(`chmod 600 '${path}'`);
  }
});

test('key and certificate that do not belong together, or are not there, are refused without their text', async () => {
  const path = join(folder, 'identity.pem');
  const other = await ca.leaf('agent', 'a2');
  await writeIdentity(path, { ...parts, privatePem: other.key.privatePem });
  expect(await thrower(readIdentity(path))).toThrow('do not belong together');
  await writeIdentity(path, { ...parts, certificatePem: '', chainPem: '', bundlePem: '' });
  expect(await thrower(readIdentity(path))).toThrow('do not belong together');
  writeFileSync(path, parts.certificatePem);
  expect(await thrower(readIdentity(path))).toThrow('no private key');
  writeFileSync(path, '-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n');
  expect(await thrower(readIdentity(path))).toThrow('cannot be read');
  writeFileSync(path, 'x'.repeat(300_000));
  expect(await thrower(readIdentity(path))).toThrow('too large');
});

test('a write that fails leaves the old identity and no draft', async () => {
  const path = join(folder, 'identity.pem');
  mkdirSync(join(path, 'inside'), { recursive: true });
  expect(await thrower(writeIdentity(path, parts))).toThrow();
  expect(readdirSync(folder)).toEqual(['identity.pem']);
});

test('a renewal replaces the whole file: readers see one or the other', async () => {
  const path = join(folder, 'identity.pem');
  const other = await ca.leaf('agent', 'a1');
  await writeIdentity(path, parts);
  let isWriting = true;
  const writer = (async () => {
    for (let round = 0; round < 40; round++) {
      const one = round % 2 === 0 ? other : leaf;
      await writeIdentity(path, { ...parts, privatePem: one.key.privatePem, certificatePem: one.certificatePem });
    }
    isWriting = false;
  })();
  while (isWriting) expect((await readIdentity(path))?.chainPem).toBe(parts.chainPem);
  await writer;
  expect(readFileSync(path, 'utf8')).toContain(leaf.certificatePem);
});
