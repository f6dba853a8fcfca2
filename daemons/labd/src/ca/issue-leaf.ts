/**
 * Issues one leaf inside the caller's transaction (CA-4, CA-6, CA-12): what is denied gets none, the same key gets the
 * same certificate, and the row is written where the certificate is made.
 */
import { isIP } from 'node:net';
import type { Csr } from '@labmesh/pki/csr';
import { createLeaf } from '@labmesh/pki/issue/profiles';
import { type LeafKind, spiffeId } from '@labmesh/pki/spiffe-id';
import type { Writer } from '@labmesh/store/store';
import type { CertificatesTable } from '@labmesh/store/tables';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, principalText } from '@labmesh/wire/fleet/principal';
import { isPermitted } from './ca-options.ts';
import { type CaState, chainOf, intermediateBy, pemOf, signerFor } from './keys/ca-state.ts';

export type LeafRequest = {
  kind: LeafKind;
  /** Ends up in the URI: a uuid, or a replica's name. */
  id: string;
  /** For people. */
  name: string;
  csr: Csr;
  ttlMs: number;
  issuedBy: Principal;
  /** labd only: names and addresses of its URLs. */
  dnsNames?: readonly string[];
  ips?: readonly string[];
};

/** Times are Unix ms. */
export type Issued = {
  /** 32 hex digits. */
  serial: string;
  certificatePem: string;
  /** What to send after it. */
  chainPem: string;
  /** Roots to trust. */
  caPem: string;
  notBefore: number;
  notAfter: number;
  /** Half of its life, ± 1/20, the same for one certificate whenever it is asked. */
  renewAfter: number;
  keyHash: string;
};

export type LeafClock = { now: number; backdateMs: number };

/** Half life ± 1/20 of the life (CA-6). The spread comes from the serial, so that a repeated answer says the same. */
export function renewAfter(serial: string, issuedAt: number, notAfter: number): number {
  const spread = Number.parseInt(serial.slice(-8), 16) / 0xffffffff;
  return Math.round(issuedAt + (notAfter - issuedAt) * (0.45 + spread / 10));
}

function present(state: CaState, row: CertificatesTable): Issued {
  const issuer = intermediateBy(state, row.issuer_key);
  if (issuer === undefined) throw new FleetError('INTERNAL', { log: `issuer ${row.issuer_key} is not known` });
  return {
    serial: row.id,
    certificatePem: row.pem,
    chainPem: chainOf(state, issuer, row.kind === 'labd'),
    caPem: state.bundle.pem,
    notBefore: row.not_before,
    notAfter: row.not_after,
    renewAfter: renewAfter(row.id, row.created_at, row.not_after),
    keyHash: row.key_hash,
  };
}

/** @throws FleetError BANNED for a denied key, REVOKED for a denied identity: unban lifts them, a new token does not. */
async function refuseDenied(tx: Writer, keyHash: string, identity: string): Promise<void> {
  const denied = await tx
    .selectFrom('denials')
    .select('kind')
    .where('lifted_at', 'is', null)
    .where((on) =>
      on.or([
        on.and([on('kind', '=', 'key'), on('value', '=', keyHash)]),
        on.and([on('kind', '=', 'identity'), on('value', '=', identity)]),
      ]),
    )
    .execute();
  if (denied.length === 0) return;
  throw new FleetError(denied.some(({ kind }) => kind === 'key') ? 'BANNED' : 'REVOKED');
}

/** The live certificate of a key. @throws FleetError CONFLICT when the key has another identity. */
async function liveCertificate(
  tx: Writer,
  keyHash: string,
  identity: string,
  now: number,
): Promise<CertificatesTable | undefined> {
  const rows = await tx
    .selectFrom('certificates')
    .selectAll()
    .where('key_hash', '=', keyHash)
    .where('revoked_at', 'is', null)
    .where('not_after', '>', now)
    .orderBy('not_after', 'desc')
    .execute();
  if (rows.some((row) => row.identity !== identity)) {
    throw new FleetError('CONFLICT', { field: 'csrPem', message: 'this key has another identity; make a new one' });
  }
  const [row] = rows;
  if (row === undefined) return undefined;
  const denied = await tx
    .selectFrom('denials')
    .select('id')
    .where('kind', '=', 'serial')
    .where('value', '=', row.id)
    .where('lifted_at', 'is', null)
    .executeTakeFirst();
  return denied === undefined ? row : undefined;
}

/** labd's names, as the intermediate's constraints take them. @throws FleetError VALIDATION_FAILED. */
function serverNames(request: LeafRequest, permitted: readonly string[]): { dnsNames: string[]; ips: string[] } {
  const dnsNames = (request.dnsNames ?? []).map((name) => name.toLowerCase());
  const ips = (request.ips ?? []).map((ip) => ip.replace(/^\[|\]$/g, ''));
  const abroad = dnsNames.find((name) => !isPermitted(name, permitted));
  if (abroad !== undefined) {
    const hint = 'add its domain to ca.dns_suffixes, then `labctl ca renew-intermediate`';
    throw new FleetError('VALIDATION_FAILED', { field: 'dnsNames', message: `the CA may not certify ${abroad}`, hint });
  }
  if (ips.some((ip) => isIP(ip) === 0)) throw new FleetError('VALIDATION_FAILED', { field: 'ips' });
  return { dnsNames, ips };
}

async function sign(state: CaState, request: LeafRequest, clock: LeafClock): Promise<CertificatesTable> {
  const { kind, id, name, ttlMs, issuedBy } = request;
  const { now, backdateMs } = clock;
  const issuer = signerFor(state, kind);
  if (issuer.certificate.notAfter <= now) throw new FleetError('INTERNAL', { log: 'the intermediate has expired' });
  const identity = { trustDomain: state.meta.trustDomain, kind, id };
  const names = kind === 'labd' ? serverNames(request, issuer.certificate.permittedDns ?? []) : {};
  const validity = { notBefore: now - backdateMs, notAfter: now + ttlMs };
  const { spki, keyHash } = request.csr;
  const leaf = await createLeaf({ issuer, spki, keyHash, identity, name, ...names, ...validity });
  return {
    id: leaf.serial,
    created_at: now,
    identity: spiffeId(identity.trustDomain, kind, id),
    kind,
    subject_id: id,
    name: name.slice(0, 253),
    key_hash: keyHash,
    issuer_key: issuer.certificate.keyHash,
    not_before: leaf.notBefore,
    not_after: leaf.notAfter,
    issued_by: principalText(issuedBy),
    revoked_at: null,
    pem: pemOf([leaf]),
  };
}

/**
 * @throws FleetError VALIDATION_FAILED (dnsNames, ips), BANNED, REVOKED, CONFLICT (the key has another identity),
 *   INTERNAL.
 */
export async function issueLeaf(tx: Writer, state: CaState, request: LeafRequest, clock: LeafClock): Promise<Issued> {
  const { keyHash } = request.csr;
  const identity = spiffeId(state.meta.trustDomain, request.kind, request.id);
  await refuseDenied(tx, keyHash, identity);
  const live = await liveCertificate(tx, keyHash, identity, clock.now);
  if (live !== undefined) return present(state, live);
  const row = await sign(state, request, clock);
  await tx.insertInto('certificates').values(row).execute();
  return present(state, row);
}
