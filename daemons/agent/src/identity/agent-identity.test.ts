/** What stands in the agent's folder: one key, one certificate, and the roots that labd told last (AG-3, CA-10). */
import { afterAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeIdentity } from '@labmesh/pki/identity-file';
import { bundleDigest } from '@labmesh/pki/pin';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import fc from 'fast-check';
import { AgentIdentity } from './agent-identity.ts';
import { saveState } from './agent-state.ts';
import { rootsOf } from './ca-bundle.ts';

const id = '01900000-0000-7000-8000-00000000000a';
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function enrolled() {
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-identity-'));
  folders.push(folder);
  const ca = await sampleCa();
  const { key, certificatePem } = await ca.leaf('agent', id);
  const { chainPem, bundlePem } = ca;
  await writeIdentity(join(folder, 'identity.pem'), {
    privatePem: key.privatePem,
    certificatePem,
    chainPem,
    bundlePem,
  });
  saveState(folder, { version: 1, serverId: id, agentId: id, urls: ['https://a'], caPin: '', renewAfter: 0 });
  const open = async () => {
    const found = await AgentIdentity.open(folder);
    if (found === undefined) throw new Error('there is no identity');
    return found;
  };
  return { ca, open, identity: await open() };
}

test('CA-10 told roots are trusted at once and after a restart; key and certificate stay', async () => {
  const { ca, open, identity } = await enrolled();
  const other = await sampleCa();
  const both = ca.bundlePem + other.bundlePem;
  const { client } = identity;
  expect(await identity.takeBundle(both)).toBe(true);
  expect(await identity.takeBundle(both)).toBe(false);
  for (const one of [identity, await open()]) {
    expect(one.bundleDigest).toBe(bundleDigest(both));
    expect(one.client).toEqual(client);
  }
  await identity.takeBundle(other.bundlePem);
  expect((await open()).bundleDigest).toBe(bundleDigest(other.bundlePem));
});

test('what is no bundle of CAs changes nothing', async () => {
  const { ca, open, identity } = await enrolled();
  const before = identity.bundleDigest;
  const leaf = (await ca.leaf('agent', id)).certificatePem;
  for (const bad of ['', 'no PEM', leaf, ca.bundlePem + leaf])
    expect(await identity.takeBundle(bad).catch((error: unknown) => error)).toBeInstanceOf(RangeError);
  expect((await open()).bundleDigest).toBe(before);
});

test('several at once end with the last one', async () => {
  const { ca, open, identity } = await enrolled();
  const others = await Promise.all([sampleCa(), sampleCa()]);
  const bundles = [...others.map(({ bundlePem }) => bundlePem), ca.bundlePem, ca.bundlePem + others[0].bundlePem];
  await Promise.all(bundles.map((pem) => identity.takeBundle(pem)));
  expect((await open()).bundleDigest).toBe(bundleDigest(bundles.at(-1) ?? ''));
});

test('only certificates are kept of what was told, whatever that is', () => {
  fc.assert(
    fc.property(fc.string(), fc.uint8Array({ maxLength: 200 }), (text, der) => {
      const block = `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`;
      expect(() => rootsOf(text)).toThrow(RangeError);
      expect(() => rootsOf(text + block)).toThrow(RangeError);
    }),
  );
});
