import { expect, test } from 'bun:test';
import { readCertificate } from '../der/read-certificate.ts';
import { generateKey } from '../keys.ts';
import { handshake } from '../testing/handshake.ts';
import { hasOpenssl, openssl } from '../testing/openssl.ts';
import { pemOf, sampleCa, sampleDomain, type SampleCa, type SampleLeaf } from '../testing/sample-ca.ts';
import { leafKinds } from '../spiffe-id.ts';
import { certificates, extension, publicKey, subjectOf, usage } from '../testing/library.ts';
import { createCross, createLeaf, newSerial } from './profiles.ts';
import { signingAlgorithm } from '../keys.ts';

const hour = 3_600_000;
const ca = await sampleCa();
const next = await sampleCa();
const cross = await createCross(ca.root, next.root.certificate, Date.now() - hour);

function opensslVerify(leaf: SampleLeaf, purpose: 'sslclient' | 'sslserver', trust: string, chain: string) {
  const files = { 'trust.pem': trust, 'chain.pem': chain, 'leaf.pem': leaf.certificatePem };
  const args = ['-x509_strict', '-purpose', purpose, '-CAfile', 'trust.pem', '-untrusted', 'chain.pem', 'leaf.pem'];
  return openssl(files, 'verify', '-no-CApath', '-no-CAstore', ...args);
}
/** Both judges on one server certificate. */
async function judges(leaf: SampleLeaf, trust: string, chain: string): Promise<{ bun: boolean; openssl: boolean }> {
  const { clientError } = await handshake({ server: leaf, serverChainPem: chain, clientTrustPem: trust });
  const { exitCode } = opensslVerify(leaf, 'sslserver', trust, chain);
  return { bun: clientError === undefined, openssl: exitCode === 0 };
}
const takenByBoth = { bun: true, openssl: true };
const refusedByBoth = { bun: false, openssl: false };

test.skipIf(!hasOpenssl)(
  'each leaf kind as a client: OpenSSL and the TLS of this runtime (needs openssl)',
  async () => {
    const server = await ca.leaf('labd', 'r1');
    for (const kind of leafKinds) {
      // A name that looks like a host must not fall under the DNS constraints.
      const leaf = await ca.leaf(kind, 'web-1.example.com');
      expect(opensslVerify(leaf, 'sslclient', ca.bundlePem, ca.chainPem).output).toContain('OK');
      const client = { ...leaf, chainPem: ca.chainPem };
      const both = { server, serverChainPem: ca.chainPem, clientTrustPem: ca.bundlePem, client };
      expect(await handshake(both)).toMatchObject({ clientError: undefined, isAuthorized: true });
    }
  },
);

test.skipIf(!hasOpenssl)(
  'labd as a server with names and addresses under the constraints (CA-3; needs openssl)',
  async () => {
    const named = { dnsNames: ['localhost', 'a.lab.example'], ips: ['127.0.0.1', '10.1.2.3', 'fd00::1'] };
    const labd = await ca.leaf('labd', 'r1', named);
    expect(await judges(labd, ca.bundlePem, ca.chainPem)).toEqual(takenByBoth);
    // DNS names and a trust domain outside the constraints, as a stolen intermediate key would make them.
    const abroad = await ca.leaf('labd', 'r1', { dnsNames: ['bank.example'] });
    expect(await judges(abroad, ca.bundlePem, ca.chainPem)).toEqual(refusedByBoth);
    const identity = { trustDomain: 'other.internal', kind: 'labd', id: 'r1' } as const;
    const stranger = await ca.leaf('labd', 'r1', { identity });
    expect(await judges(stranger, ca.bundlePem, ca.chainPem)).toEqual(refusedByBoth);
  },
);

test.skipIf(!hasOpenssl)('an agent is no server; P-384 leaves work (needs openssl)', async () => {
  const agent = await ca.leaf('agent', 'a1');
  expect(await judges(agent, ca.bundlePem, ca.chainPem)).toEqual(refusedByBoth);
  const key = await generateKey('P-384');
  const big = { ...(await ca.leaf('labd', 'big', { spki: key.spki, keyHash: key.keyHash })), key };
  expect(await judges(big, ca.bundlePem, ca.chainPem)).toEqual(takenByBoth);
});

test.skipIf(!hasOpenssl)(
  'leaf, intermediate, cross: by the old root and by the new (CA-11; needs openssl)',
  async () => {
    const labd = await next.leaf('labd', 'r1');
    const chain = next.chainPem + pemOf(cross);
    expect(await judges(labd, ca.bundlePem, chain)).toEqual(takenByBoth);
    expect(await judges(labd, next.bundlePem, chain)).toEqual(takenByBoth);
    expect(await judges(labd, ca.bundlePem, next.chainPem)).toEqual(refusedByBoth);
  },
);

test('serials: 16 bytes, positive, all different, also in the certificate (CA-1)', async () => {
  const serials = new Set(Array.from({ length: 2_000 }, newSerial));
  expect(serials.size).toBe(2_000);
  for (const serial of serials) expect(serial).toMatch(/^[4-7][0-9a-f]{31}$/);
  const leaf = await ca.leaf('user', 'u1');
  expect(readCertificate(leaf.certificate.der).serial).toMatch(/^[0-9a-f]{32}$/);
});

test('only labd gets names and server use; nothing outlives its issuer (CA-4)', async () => {
  const asked = { dnsNames: ['localhost'], ips: ['127.0.0.1'], notBefore: 0, notAfter: Date.now() + 9e11 };
  const agent = await ca.leaf('agent', 'a1', asked);
  expect(agent.certificate).toMatchObject({ dnsNames: [], otherNames: 0, extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] });
  expect(agent.certificate.notAfter).toBe(ca.issuing.certificate.notAfter);
  expect(agent.certificate.notBefore).toBe(ca.issuing.certificate.notBefore);
  expect(cross.notAfter).toBe(Math.min(ca.root.certificate.notAfter, next.root.certificate.notAfter));
  expect(cross.pathLength).toBe(1);
});

test('a long or strange name stays a name for people', async () => {
  const leaf = await ca.leaf('user', 'u1', { name: `x, CN=admin/O=labmesh+${'é'.repeat(80)}` });
  expect(leaf.certificate.uris).toEqual([`spiffe://${sampleDomain}/user/u1`]);
});

/** Certificates per second of `make`, best of three rounds. */
async function perSecond(make: () => Promise<unknown>): Promise<number> {
  let best = 0;
  for (let round = 0; round < 3; round++) {
    const started = performance.now();
    for (let count = 0; count < 60; count++) await make();
    best = Math.max(best, 60_000 / (performance.now() - started));
  }
  return best;
}

test('issuing is no slower than the bare library', async () => {
  const key = await generateKey();
  const bare = (issuer: SampleCa['issuing']) =>
    certificates.create({
      serialNumber: newSerial(),
      subject: 'CN=agent:x',
      issuer: subjectOf(issuer.certificate.der),
      notBefore: new Date(Date.now() - hour),
      notAfter: new Date(Date.now() + hour),
      publicKey: publicKey(key.spki),
      signingKey: issuer.key.privateKey,
      signingAlgorithm: signingAlgorithm('P-256'),
      extensions: [
        extension.notCa(),
        extension.keyUsage(usage.digitalSignature),
        extension.extendedUsage(['1.3.6.1.5.5.7.3.2']),
        extension.names([{ type: 'url', value: `spiffe://${sampleDomain}/agent/x` }]),
      ],
    });
  const ours = () =>
    createLeaf({
      issuer: ca.issuing,
      spki: key.spki,
      keyHash: key.keyHash,
      name: 'x',
      identity: {
        trustDomain: sampleDomain,
        kind: 'agent',
        id: 'x',
      },
      notBefore: Date.now() - hour,
      notAfter: Date.now() + hour,
    });
  // It is five times as fast; the target leaves room for a busy machine.
  expect((await perSecond(ours)) / (await perSecond(() => bare(ca.issuing)))).toBeGreaterThan(0.8);
}, 30_000);
