/**
 * Client certificates that must open nothing (acceptance 5): forged in every way that a certificate can be forged
 * without labd's own keys. Each claims to be somebody who is really there.
 */
import { toPem, certificatesIn } from '@labmesh/pki/der/pem';
import { clientAuth, readCertificate } from '@labmesh/pki/der/read-certificate';
import { certificates, extension, publicKey, usage } from '@labmesh/pki/testing/library';
import { createLeaf, newSerial } from '@labmesh/pki/issue/profiles';
import { type EcKey, generateKey, signingAlgorithm } from '@labmesh/pki/keys';
import type { LeafKind } from '@labmesh/pki/spiffe-id';
import { pemOf, type SampleCa, sampleCa, sampleDomain } from '@labmesh/pki/testing/sample-ca';
import { networkIdentity, type Identity, type Machine } from './fleet-identities.ts';
import type { ClientIdentity } from '../raw-https.ts';

const day = 24 * 3_600_000;
type Claim = { kind: LeafKind; id: string };

async function foreign(ca: SampleCa, { kind, id }: Claim, more = {}): Promise<ClientIdentity> {
  const { key, certificatePem } = await ca.leaf(kind, id, more);
  return { keyPem: key.privatePem, certPem: certificatePem + ca.chainPem + ca.bundlePem };
}

/** Signed by itself, with everything else as it should be. */
async function selfSigned({ kind, id }: Claim): Promise<ClientIdentity> {
  const key = await generateKey();
  const made = await certificates.create({
    serialNumber: newSerial(),
    subject: `CN=${kind}:${id}`,
    issuer: `CN=${kind}:${id}`,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + day),
    publicKey: publicKey(key.spki),
    signingKey: key.privateKey,
    signingAlgorithm: signingAlgorithm(key.curve),
    extensions: [
      extension.notCa(),
      extension.keyUsage(usage.digitalSignature),
      extension.extendedUsage([clientAuth]),
      extension.names([{ type: 'url', value: `spiffe://${sampleDomain}/${kind}/${id}` }]),
    ],
  });
  return { keyPem: key.privatePem, certPem: toPem('CERTIFICATE', new Uint8Array(made.rawData)) };
}

/** A leaf of labd's used as if it were a CA: the chain above is good, the path length is not. */
async function underLeaf(leaf: Identity, { kind, id }: Claim): Promise<ClientIdentity> {
  const key = await generateKey();
  const [der] = certificatesIn(leaf.certPem);
  const made = await createLeaf({
    issuer: { key: leaf.key, certificate: readCertificate(der!) },
    spki: key.spki,
    keyHash: key.keyHash,
    identity: { trustDomain: sampleDomain, kind, id },
    name: id,
    notBefore: Date.now() - 1_000,
    notAfter: Date.now() + day,
  });
  return { keyPem: key.privatePem, certPem: pemOf(made) + leaf.certPem };
}

/** labd's own signature over somebody else's id: the uuid in the URI is another one, byte for byte. */
function tampered(leaf: Identity, id: string): ClientIdentity {
  const [der, ...chain] = certificatesIn(leaf.certPem);
  const at = Buffer.from(der!).indexOf(leaf.id);
  if (at < 0 || id.length !== leaf.id.length) throw new Error('the certificate does not name its id');
  const changed = Buffer.from(der!);
  changed.write(id, at);
  const pem = [changed, ...chain].map((one) => toPem('CERTIFICATE', one)).join('');
  return { keyPem: leaf.keyPem, certPem: pem };
}

/** labd's name on it, signed by a stranger's issuing key: the same subject and issuer bytes. */
async function wrongSigner(ca: SampleCa, bundlePem: string, claim: Claim): Promise<ClientIdentity> {
  const [issuing] = certificatesIn(bundlePem);
  const key: EcKey = await generateKey();
  const certificate = { ...readCertificate(issuing!), notBefore: 0, notAfter: Date.now() + 10 * day };
  const made = await createLeaf({
    issuer: { key: ca.issuing.key, certificate },
    spki: key.spki,
    keyHash: key.keyHash,
    identity: { trustDomain: sampleDomain, ...claim },
    name: claim.id,
    notBefore: Date.now() - 1_000,
    notAfter: Date.now() + day,
  });
  return { keyPem: key.privatePem, certPem: pemOf(made) + bundlePem };
}

/** All of them, by what is wrong. `admin` and `agent` are who they claim to be. */
export async function forgedIdentities(admin: Identity, agent: Machine): Promise<Record<string, ClientIdentity>> {
  const ca = await sampleCa();
  const [isAdmin, isAgent] = [{ kind: 'user', id: admin.id } as const, { kind: 'agent', id: agent.id } as const];
  const issuing = certificatesIn(agent.certPem).slice(1);
  const issuingPem = issuing.map((der) => toPem('CERTIFICATE', der)).join('');
  const past = { notBefore: Date.now() - 3 * day, notAfter: Date.now() - day };
  const future = { notBefore: Date.now() + day, notAfter: Date.now() + 2 * day };
  return {
    'self-signed admin': await selfSigned(isAdmin),
    'self-signed agent': await selfSigned(isAgent),
    'foreign CA, admin': await foreign(ca, isAdmin),
    'foreign CA, agent': await foreign(ca, isAgent),
    'foreign CA, labd': await foreign(ca, { kind: 'labd', id: 'replica-1' }),
    'foreign CA, expired': await foreign(ca, isAgent, past),
    'foreign CA, not yet valid': await foreign(ca, isAgent, future),
    'foreign CA below our intermediate': await wrongSigner(ca, issuingPem, isAdmin),
    'below a leaf, admin': await underLeaf(agent, isAdmin),
    'below a leaf, labd': await underLeaf(agent, { kind: 'labd', id: 'replica-1' }),
    'another id under our signature': tampered(agent, '01900000-0000-7000-8000-000000000000'),
    'network plane': await networkIdentity(),
  };
}
