/** The certificate of the first moments: the kept one, or one that nobody trusts and that only says that we are starting. */
import { join } from 'node:path';
import { toPem } from '@labmesh/pki/der/pem';
import { readIdentity } from '@labmesh/pki/identity-file';
import { createLeaf, createRoot } from '@labmesh/pki/issue/profiles';
import { generateKey } from '@labmesh/pki/keys';
import { identityFile, type TlsIdentity } from './own-certificate.ts';
import type { World } from './settings/world.ts';

/** Life of the one that nobody trusts. */
const startMs = 3_600_000;

/** The kept identity, or a throw-away one. */
export async function startIdentity(dataDir: string, trustDomain: string, clock: World['clock']): Promise<TlsIdentity> {
  const kept = await readIdentity(join(dataDir, identityFile)).catch(() => undefined);
  if (kept !== undefined && kept.certificate.notAfter > clock.wall()) {
    return { keyPem: kept.key.privatePem, certPem: kept.certificatePem + kept.chainPem, bundlePem: kept.bundlePem };
  }
  const [rootKey, key] = [await generateKey(), await generateKey()];
  const validity = { notBefore: clock.wall(), notAfter: clock.wall() + startMs };
  const root = await createRoot({ key: rootKey, trustDomain, ...validity });
  const leaf = await createLeaf({
    ...validity,
    issuer: { key: rootKey, certificate: root },
    spki: key.spki,
    keyHash: key.keyHash,
    identity: { trustDomain, kind: 'labd', id: '00000000-0000-7000-8000-000000000000' },
    name: 'starting',
    dnsNames: ['localhost'],
  });
  const certPem = toPem('CERTIFICATE', leaf.der);
  return { keyPem: key.privatePem, certPem, bundlePem: toPem('CERTIFICATE', root.der) };
}
