/**
 * labd's own certificate (CA-4): kind labd, good for its URLs' names and addresses, 7 days, renewed at half life. It is
 * kept on disk, so that a labd whose database is away can still say so over TLS; the very first start makes a
 * certificate that nobody trusts, for the same purpose.
 */
import { isIP } from 'node:net';
import { join } from 'node:path';
import { createCsr, parseCsr } from '@labmesh/pki/csr';
import { writeIdentity } from '@labmesh/pki/identity-file';
import { generateKey } from '@labmesh/pki/keys';
import { system } from '@labmesh/wire/fleet/principal';
import type { Authority } from './ca/authority.ts';
import type { LabdOptions } from './settings/labd-options.ts';
import type { World } from './settings/world.ts';

export type TlsIdentity = { keyPem: string; certPem: string; bundlePem: string };

const worker = system('own-certificate');
/** In the data folder. */
export const identityFile = 'identity.pem';

/** Names and addresses of our URLs and of loopback. */
function subjects(options: LabdOptions, hosts: readonly string[]): { dnsNames: string[]; ips: string[] } {
  const { publicUrl, agentUrl, peerUrl, conplaneUrl } = options;
  const urls = [publicUrl, agentUrl, peerUrl, conplaneUrl].filter((url) => url !== undefined);
  const names = new Set([
    'localhost',
    '127.0.0.1',
    ...hosts,
    ...urls.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, '')),
  ]);
  const all = [...names].filter((name) => name !== '0.0.0.0' && name !== '::');
  return { dnsNames: all.filter((name) => isIP(name) === 0), ips: all.filter((name) => isIP(name) !== 0) };
}

export type OwnCertificateParts = {
  store: World['store'];
  authority: Authority;
  clock: World['clock'];
  options: LabdOptions;
  dataDir: string;
  replicaId: string;
  hosts: readonly string[];
};

/** A new certificate for this replica; `renewAfter` (Unix ms) is when the next one is due. */
export async function renewOwn(parts: OwnCertificateParts): Promise<TlsIdentity & { renewAfter: number }> {
  const { store, authority, options, dataDir, replicaId } = parts;
  const key = await generateKey();
  const csr = parseCsr(await createCsr(key));
  const { dnsNames, ips } = subjects(options, parts.hosts);
  const request = {
    kind: 'labd',
    id: replicaId,
    name: 'labd',
    csr,
    ttlMs: options.labdTtlMs,
    issuedBy: worker,
    dnsNames,
    ips,
  } as const;
  const issued = await store.write(worker, (tx) => authority.issueLeaf(tx, { ...request, dnsNames, ips }));
  const { certificatePem, chainPem, caPem, renewAfter } = issued;
  await writeIdentity(join(dataDir, identityFile), {
    privatePem: key.privatePem,
    certificatePem,
    chainPem,
    bundlePem: caPem,
  });
  return { keyPem: key.privatePem, certPem: certificatePem + chainPem, bundlePem: caPem, renewAfter };
}

const retryMs = 60_000;

/** Keeps our certificate fresh: now, at half life, and when the CA changed its issuer (CA-6, CA-10). @throws as `renewOwn`, the first time. */
export async function keepOwn(
  parts: OwnCertificateParts & { log: World['log'] },
  onRenewed: (identity: TlsIdentity) => void,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { authority, clock, log } = parts;
  let issuer = '';
  let due = 0;
  const renew = async () => {
    const made = await renewOwn(parts);
    issuer = authority.serverIssuerKey();
    due = made.renewAfter;
    onRenewed(made);
  };
  const look = async () => {
    if (clock.wall() < due && authority.serverIssuerKey() === issuer) return;
    await renew().catch((error: unknown) => {
      log.warn('our certificate could not be renewed; tried again', { error });
      due = clock.wall() + retryMs;
    });
  };
  await renew();
  stack.defer(authority.onChange(() => void look()));
  const timer = setInterval(() => void look(), retryMs);
  stack.defer(() => clearInterval(timer));
}
