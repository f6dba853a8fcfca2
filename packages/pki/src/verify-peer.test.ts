import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { clientAuth, readCertificate } from './der/read-certificate.ts';
import { createCross, createIntermediate, createRoot } from './issue/profiles.ts';
import { certificates, extension, publicKey, subjectOf, usage } from './testing/library.ts';
import { generateKey, signingAlgorithm } from './keys.ts';
import { PeerRefused } from './peer-refused.ts';
import { pemOf, sampleCa, sampleDomain, type SampleCa, type SampleLeaf } from './testing/sample-ca.ts';
import { type PeerCheck, verifyPeer } from './verify-peer.ts';

const now = Date.UTC(2026, 5, 1);
const [hour, day] = [3_600_000, 86_400_000];
const ca = await sampleCa(now);
const foreign = await sampleCa(now);
const agent = await ca.leaf('agent', 'a1');

const checkOf = (leaf: Pick<SampleLeaf, 'certificate'>, more: Partial<PeerCheck> = {}): PeerCheck => ({
  leafDer: leaf.certificate.der,
  chain: [ca.issuing.certificate.der],
  bundlePem: ca.bundlePem,
  now,
  trustDomain: sampleDomain,
  eku: 'client',
  ...more,
});
const reasonOf = (check: PeerCheck): string => {
  try {
    verifyPeer(check);
    return 'taken';
  } catch (error) {
    expect(error).toBeInstanceOf(PeerRefused);
    return (error as PeerRefused).reason;
  }
};

/** A leaf with extensions of the test's choice, signed by the intermediate. */
async function oddLeaf(extensions: ReturnType<typeof extension.raw>[], issuer = ca.issuing) {
  const key = await generateKey();
  const made = await certificates.create({
    serialNumber: '7f01',
    subject: 'CN=odd',
    issuer: subjectOf(issuer.certificate.der),
    notBefore: new Date(now - hour),
    notAfter: new Date(now + hour),
    publicKey: publicKey(key.spki),
    signingKey: issuer.key.privateKey,
    signingAlgorithm: signingAlgorithm('P-256'),
    extensions,
  });
  return { certificate: readCertificate(new Uint8Array(made.rawData)) };
}
const uri = (value: string) => ({ type: 'url' as const, value });
const named = extension.names([uri(`spiffe://${sampleDomain}/user/u1`)]);
const forClients = extension.extendedUsage([clientAuth]);

test('a good peer is told by its identity (LD-4)', () => {
  expect(verifyPeer(checkOf(agent))).toEqual({
    uri: `spiffe://${sampleDomain}/agent/a1`,
    trustDomain: sampleDomain,
    kind: 'agent',
    id: 'a1',
    serial: agent.certificate.serial,
    keyHash: agent.key.keyHash,
    issuerKey: ca.issuing.key.keyHash,
    notBefore: agent.certificate.notBefore,
    notAfter: agent.certificate.notAfter,
    isExpired: false,
  });
});

test('P-384 on every level', async () => {
  const keys = [await generateKey('P-384'), await generateKey('P-384')] as const;
  const times = { notBefore: now - hour, notAfter: now + day };
  const root = await createRoot({ key: keys[0], trustDomain: sampleDomain, ...times });
  const certificate = await createIntermediate({
    issuer: {
      key: keys[0],
      certificate: root,
    },
    spki: keys[1].spki,
    keyHash: keys[1].keyHash,
    trustDomain: sampleDomain,
    dnsNames: [],
    ...times,
  });
  const leaf = await ca.leaf('agent', 'big', { issuer: { key: keys[1], certificate } });
  const check = checkOf(leaf, { chain: [certificate.der], bundlePem: pemOf(root) });
  expect(verifyPeer(check).id).toBe('big');
});

test('foreign, self-signed, without the intermediate, in another domain: refused', async () => {
  const stranger = await foreign.leaf('agent', 'a1');
  expect(reasonOf(checkOf(stranger, { chain: [foreign.issuing.certificate.der] }))).toBe('untrusted');
  expect(reasonOf(checkOf(stranger, { chain: [foreign.issuing.certificate.der, foreign.root.certificate.der] }))).toBe(
    'untrusted',
  );
  expect(reasonOf(checkOf(agent, { chain: [] }))).toBe('untrusted');
  expect(reasonOf(checkOf(agent, { bundlePem: '' }))).toBe('untrusted');
  expect(reasonOf(checkOf(agent, { trustDomain: 'other.internal' }))).toBe('wrong-identity');
  expect(reasonOf(checkOf({ certificate: ca.root.certificate }))).toBe('wrong-usage');
});

test('a namesake of the intermediate with another key signs nothing', async () => {
  const key = await generateKey();
  const fake = { key, certificate: { ...ca.issuing.certificate, keyHash: key.keyHash } };
  const leaf = await ca.leaf('agent', 'a1', { issuer: fake });
  expect(reasonOf(checkOf(leaf))).toBe('untrusted');
});

test('time: not yet, expired, told as expired; the intermediate is judged by when the leaf ended (CA-7)', () => {
  expect(reasonOf(checkOf(agent, { now: now - 2 * hour }))).toBe('untrusted');
  expect(reasonOf(checkOf(agent, { now: agent.certificate.notAfter }))).toBe('taken');
  expect(reasonOf(checkOf(agent, { now: now + 2 * day }))).toBe('expired');
  for (const days of [10, 40, 400]) {
    const late = checkOf(agent, { now: now + days * day, expired: 'tell' });
    expect(verifyPeer(late)).toMatchObject({ id: 'a1', isExpired: true });
    expect(reasonOf({ ...late, trustDomain: 'other.internal' })).toBe('wrong-identity');
    expect(reasonOf({ ...late, bundlePem: foreign.bundlePem })).toBe('untrusted');
  }
  const early = checkOf(agent, { now: agent.certificate.notBefore - 1, expired: 'tell' });
  expect(['untrusted', 'not-yet-valid']).toContain(reasonOf(early));
});

test('usage: a client is no server, a certificate without usage is nothing, a CA is no peer', async () => {
  expect(reasonOf(checkOf(agent, { eku: 'server' }))).toBe('wrong-usage');
  const labd = await ca.leaf('labd', 'r1');
  expect(verifyPeer(checkOf(labd, { eku: 'server' })).kind).toBe('labd');
  expect(reasonOf(checkOf(labd))).toBe('taken');
  expect(reasonOf(checkOf(await oddLeaf([named])))).toBe('wrong-usage');
  expect(reasonOf(checkOf(await oddLeaf([named, forClients, extension.ca(0)])))).toBe('wrong-usage');
  expect(reasonOf(checkOf(await oddLeaf([named, forClients, extension.keyUsage(usage.keyAgreement)])))).toBe(
    'wrong-usage',
  );
  const unknown = extension.raw('1.2.3.4', true, Buffer.from([5, 0]));
  expect(reasonOf(checkOf(await oddLeaf([named, forClients, unknown])))).toBe('wrong-usage');
});

test('exactly one URI of the trust domain (LD-4)', async () => {
  const good = `spiffe://${sampleDomain}/user/u1`;
  const reasonFor = async (...values: string[]) =>
    reasonOf(checkOf(await oddLeaf([extension.names(values.map(uri)), forClients])));
  expect(await reasonFor(good)).toBe('taken');
  expect(await reasonFor(good, good)).toBe('wrong-identity');
  expect(await reasonFor(good, 'https://example.com/')).toBe('wrong-identity');
  expect(await reasonFor(`spiffe://${sampleDomain}/node/n1`)).toBe('wrong-identity');
  expect(await reasonFor(`${good}/admin`)).toBe('wrong-identity');
  expect(reasonOf(checkOf(await oddLeaf([forClients])))).toBe('wrong-identity');
});

test('path length: an intermediate may not make another, a leaf may not issue', async () => {
  const key = await generateKey();
  const below = await createIntermediate({
    issuer: ca.issuing,
    spki: key.spki,
    keyHash: key.keyHash,
    trustDomain: sampleDomain,
    dnsNames: [],
    notBefore: now - hour,
    notAfter: now + day,
  });
  const leaf = await ca.leaf('user', 'admin', { issuer: { key, certificate: below } });
  expect(reasonOf(checkOf(leaf, { chain: [below.der, ca.issuing.certificate.der] }))).toBe('untrusted');
  const byLeaf = await ca.leaf('user', 'admin', { issuer: { key: agent.key, certificate: agent.certificate } });
  expect(reasonOf(checkOf(byLeaf, { chain: [agent.certificate.der, ca.issuing.certificate.der] }))).toBe('untrusted');
});

test('through a cross-signed root a sleeper with the old bundle still gets there (CA-11)', async () => {
  const next: SampleCa = await sampleCa(now);
  const cross = await createCross(ca.root, next.root.certificate, now - hour);
  const labd = await next.leaf('labd', 'r1');
  const chain = [next.issuing.certificate.der, cross.der];
  const check = checkOf(labd, { chain, eku: 'server' });
  expect(verifyPeer(check).id).toBe('r1');
  expect(verifyPeer({ ...check, bundlePem: next.bundlePem }).id).toBe('r1');
  expect(reasonOf({ ...check, chain: [cross.der] })).toBe('untrusted');
  expect(reasonOf({ ...check, bundlePem: foreign.bundlePem })).toBe('untrusted');
});

test('any bytes and any changed certificate give PeerRefused and nothing else', () => {
  const { der } = agent.certificate;
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.uint8Array(), { maxLength: 12 }), fc.string(), (leafDer, chain, pem) => {
      expect(reasonOf({ ...checkOf(agent), leafDer, chain, bundlePem: pem })).not.toBe('taken');
    }),
  );
  fc.assert(
    fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const leafDer = Uint8Array.from(der);
      leafDer[at]! ^= flip;
      expect(reasonOf({ ...checkOf(agent), leafDer })).not.toBe('taken');
    }),
    { numRuns: 2_000 },
  );
});

test('a chain of namesakes costs a bounded number of signatures', async () => {
  const fakes = await Promise.all(
    Array.from({ length: 40 }, async () => {
      const key = await generateKey();
      const certificate = await createRoot({
        key,
        trustDomain: sampleDomain,
        notBefore: now - hour,
        notAfter: now + day,
      });
      return certificate;
    }),
  );
  const started = performance.now();
  for (let round = 0; round < 200; round++) reasonOf(checkOf(agent, { chain: fakes.map(({ der }) => der) }));
  expect(performance.now() - started).toBeLessThan(5_000);
});

test('2,000 peers are judged in well under a millisecond each', () => {
  const check = checkOf(agent);
  verifyPeer(check);
  const started = performance.now();
  for (let count = 0; count < 2_000; count++) verifyPeer(check);
  expect(performance.now() - started).toBeLessThan(4_000);
});
