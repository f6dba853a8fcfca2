/** A small authority for tests: root, intermediate and leaves in a few milliseconds, at any time. */
import { toPem } from '../der/pem.ts';
import type { Certificate } from '../der/read-certificate.ts';
import { createIntermediate, createLeaf, createRoot, type Issuer } from '../issue/profiles.ts';
import { type EcKey, generateKey } from '../keys.ts';
import type { LeafKind } from '../spiffe-id.ts';

export const sampleDomain = 'labmesh.internal';
const hour = 3_600_000;
const day = 24 * hour;

export const pemOf = (...list: Certificate[]): string => list.map(({ der }) => toPem('CERTIFICATE', der)).join('');

export type SampleLeaf = { key: EcKey; certificate: Certificate; certificatePem: string };
export type SampleCa = {
  root: Issuer & { key: EcKey };
  issuing: Issuer & { key: EcKey };
  /** What to trust, and what to send after a leaf. */
  bundlePem: string;
  chainPem: string;
  leaf(kind: LeafKind, id: string, more?: Partial<Parameters<typeof createLeaf>[0]>): Promise<SampleLeaf>;
};

/** @param now Unix ms; everything is valid from an hour before it. */
export async function sampleCa(now = Date.now(), trustDomain = sampleDomain): Promise<SampleCa> {
  const [rootKey, issuingKey] = [await generateKey(), await generateKey()];
  const notBefore = now - hour;
  const certificate = await createRoot({ key: rootKey, trustDomain, notBefore, notAfter: now + 3_650 * day });
  const root = { key: rootKey, certificate };
  const intermediate = await createIntermediate({
    issuer: root,
    spki: issuingKey.spki,
    keyHash: issuingKey.keyHash,
    trustDomain,
    dnsNames: ['localhost', 'lab.example'],
    notBefore,
    notAfter: now + 365 * day,
  });
  const issuing = { key: issuingKey, certificate: intermediate };
  return {
    root,
    issuing,
    bundlePem: pemOf(certificate),
    chainPem: pemOf(intermediate),
    async leaf(kind, id, more) {
      const key = await generateKey();
      const made = await createLeaf({
        issuer: issuing,
        spki: key.spki,
        keyHash: key.keyHash,
        identity: {
          trustDomain,
          kind,
          id,
        },
        name: id,
        ...(kind === 'labd' && {
          dnsNames: ['localhost'],
          ips: ['127.0.0.1'],
        }),
        notBefore,
        notAfter: now + day,
        ...more,
      });
      return { key, certificate: made, certificatePem: pemOf(made) };
    },
  };
}
