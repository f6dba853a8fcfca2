import { thrower } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCsr } from '../csr.ts';
import { generateKey } from '../keys.ts';
import { pemOf, sampleCa, sampleDomain } from '../testing/sample-ca.ts';
import { verifyPeer } from '../verify-peer.ts';
import { readRootFile, signCross, signIntermediate, writeRootFile } from './root-file.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'labmesh-root-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const now = Date.now();
const [hour, day] = [3_600_000, 86_400_000];
const ca = await sampleCa(now);
const facts = { trustDomain: sampleDomain, dnsNames: ['localhost'] };
const times = { notBefore: now - hour, notAfter: now + day };

async function written() {
  const path = join(folder, 'root.pem');
  await writeRootFile(path, ca.root.key, ca.root.certificate, facts);
  return { path, text: readFileSync(path, 'utf8') };
}

test('written once, 0600, never over another (CA-2)', async () => {
  const { path, text } = await written();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(await thrower(writeRootFile(path, ca.root.key, ca.root.certificate, facts))).toThrow('EEXIST');
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('the file is all that signs an intermediate, whose leaves verify', async () => {
  const root = await readRootFile((await written()).text);
  expect(root).toMatchObject(facts);
  const key = await generateKey();
  const certificate = await signIntermediate({ root, csrPem: await createCsr(key), ...times });
  expect(certificate).toMatchObject({ keyHash: key.keyHash, pathLength: 0, permittedDns: ['localhost'] });
  const leaf = await ca.leaf('agent', 'a1', { issuer: { key, certificate } });
  const check = { bundlePem: ca.bundlePem, now, trustDomain: sampleDomain, eku: 'client' as const };
  expect(verifyPeer({ leafDer: leaf.certificate.der, chain: [certificate.der], ...check }).id).toBe('a1');
});

test('it cross-signs the next root, and nothing that is no root', async () => {
  const root = await readRootFile((await written()).text);
  const next = await sampleCa(now);
  const cross = await signCross(root, next.bundlePem, times.notBefore);
  expect(cross).toMatchObject({ keyHash: next.root.certificate.keyHash, pathLength: 1 });
  expect(() => signCross(root, next.chainPem, times.notBefore)).toThrow('not a root');
  expect(() => signCross(root, '', times.notBefore)).toThrow('no certificate');
});

test('another file, a mixed one and a cut one are refused without their text', async () => {
  const { text } = await written();
  const other = await sampleCa(now);
  expect(await thrower(readRootFile('x'))).toThrow('not a labmesh root file');
  expect(await thrower(readRootFile(text.replace('{', '<')))).toThrow('first line');
  expect(await thrower(readRootFile(text.slice(0, text.indexOf('-----BEGIN PRIVATE'))))).toThrow('not complete');
  expect(await thrower(readRootFile(text.replace(ca.root.key.privatePem, other.root.key.privatePem)))).toThrow(
    'differ',
  );
  expect(await thrower(readRootFile(text.replace(pemOf(ca.root.certificate), '')))).toThrow('not complete');
});
