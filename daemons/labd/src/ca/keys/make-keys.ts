/** Makes the CA's keys and certificates as rows to insert. Nothing here touches the store. */
import { readFile, rm } from 'node:fs/promises';
import { createCsr } from '@labmesh/pki/csr';
import { readPem, toPem } from '@labmesh/pki/der/pem';
import type { Certificate } from '@labmesh/pki/der/read-certificate';
import { createCross, createIntermediate, createRoot, type Issuer } from '@labmesh/pki/issue/profiles';
import { readRootFile, writeRootFile } from '@labmesh/pki/issue/root-file';
import { type EcKey, generateKey, keyFromPem } from '@labmesh/pki/keys';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Sealer } from '../../secrets/sealer.ts';
import { AuthorityRefused, type CaOptions } from '../ca-options.ts';
import type { CaKey, CaRole, KeyPhase } from './ca-rows.ts';
import { pemOf, type Signer } from './ca-state.ts';

export type Maker = {
  sealer: Sealer;
  options: CaOptions;
  /** Unix ms. */
  now: number;
};

const place = ['ca_keys', 'sealed_key'] as const;

/** Opens the private key of a row. @throws FleetError INTERNAL when there is none or it does not open. */
export async function openKey(sealer: Sealer, key: CaKey): Promise<EcKey> {
  if (key.sealedKey === null) throw new FleetError('INTERNAL', { log: `CA key ${key.id} is not here` });
  return await keyFromPem(toPem('PRIVATE KEY', sealer.open(place[0], key.id, place[1], key.sealedKey)));
}

function sealKey(sealer: Sealer, id: string, key: EcKey): string {
  const der = readPem(key.privatePem)[0]?.der ?? new Uint8Array();
  return sealer.seal(place[0], id, place[1], der);
}

type RowParts = { role: CaRole; phase: KeyPhase; certificate: Certificate; key?: EcKey };

function certifiedRow({ sealer, now }: Maker, { role, phase, certificate, key }: RowParts): CaKey {
  const id = Bun.randomUUIDv7();
  return {
    id,
    createdAt: now,
    role,
    phase,
    sealedKey: key === undefined ? null : sealKey(sealer, id, key),
    pem: pemOf([certificate]),
    certificate,
    notAfter: certificate.notAfter,
    keyHash: certificate.keyHash,
  };
}

const validity = ({ options, now }: Maker, ttlMs: number) => ({
  notBefore: now - options.backdateMs,
  notAfter: now + ttlMs,
});

/** An intermediate below `root`, with its row. */
export async function makeIntermediate(
  maker: Maker,
  root: Issuer,
  phase: KeyPhase,
  dnsNames: readonly string[],
): Promise<CaKey> {
  const key = await generateKey();
  const { trustDomain, intermediateTtlMs } = maker.options;
  const certificate = await createIntermediate({
    issuer: root,
    spki: key.spki,
    keyHash: key.keyHash,
    trustDomain,
    dnsNames,
    ...validity(maker, intermediateTtlMs),
  });
  return certifiedRow(maker, { role: 'intermediate', phase, certificate, key });
}

/** An intermediate key that waits for the offline root: its row holds the request. */
export async function makeWaiting({ sealer, now }: Maker): Promise<CaKey> {
  const [key, id] = [await generateKey(), Bun.randomUUIDv7()];
  const row = { id, createdAt: now, role: 'intermediate', phase: 'next', certificate: undefined, notAfter: 0 } as const;
  return { ...row, sealedKey: sealKey(sealer, id, key), pem: await createCsr(key), keyHash: key.keyHash };
}

export type Generation = {
  rows: CaKey[];
  /** Takes back what was written outside the store: when it is certain that these rows did not come to be. */
  undo: () => Promise<void>;
};

export type GenerationRequest = {
  phase: 'active' | 'next';
  dnsNames: readonly string[];
  /** Roots that sign the new one (CA-11). */
  olds?: readonly Issuer[];
  /** Key hashes of the roots there are: a root file with one of them is the old one, not the next. */
  known?: readonly string[];
};

type Root = { root: Issuer; sealed?: EcKey; undo: () => Promise<void> };
const nothingToUndo = () => Promise.resolve();

async function keptRoot(path: string, trustDomain: string, known: readonly string[]): Promise<Root> {
  const kept = await readRootFile(await readFile(path, 'utf8')).catch((cause: unknown) => {
    throw new AuthorityRefused(78, `${path}: ${(cause as Error).message}; move it away`);
  });
  if (kept.trustDomain !== trustDomain) throw new AuthorityRefused(78, `${path}: belongs to ${kept.trustDomain}`);
  if (known.includes(kept.certificate.keyHash)) {
    throw new FleetError('CA_PHASE', {
      message: 'the file for the root key holds the present root',
      hint: 'move it to its safe place first',
      log: path,
    });
  }
  return { root: kept, undo: nothingToUndo };
}

/** The offline root: new and written to its file, or the one that an interrupted start or step left there. */
async function offlineRoot(maker: Maker, request: GenerationRequest): Promise<Root> {
  const { rootFile, trustDomain, rootTtlMs } = maker.options;
  if (rootFile === undefined) throw new AuthorityRefused(3, 'ca.root_mode = offline needs a file for the root key');
  const key = await generateKey();
  const certificate = await createRoot({ key, trustDomain, ...validity(maker, rootTtlMs) });
  try {
    await writeRootFile(rootFile, key, certificate, { trustDomain, dnsNames: request.dnsNames });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
    return await keptRoot(rootFile, trustDomain, request.known ?? []);
  }
  return { root: { key, certificate }, undo: () => rm(rootFile, { force: true }) };
}

async function localRoot(maker: Maker): Promise<Root> {
  const { trustDomain, rootTtlMs } = maker.options;
  const key = await generateKey();
  const certificate = await createRoot({ key, trustDomain, ...validity(maker, rootTtlMs) });
  return { root: { key, certificate }, sealed: key, undo: nothingToUndo };
}

/**
 * A root and its intermediate, and the new root as each of `olds` signs it. With `root_mode = offline` the root's
 * private key goes into its file and is forgotten with this call.
 * @throws AuthorityRefused, FleetError CA_PHASE: the root file cannot be used.
 */
export async function makeGeneration(maker: Maker, request: GenerationRequest): Promise<Generation> {
  const { phase, dnsNames, olds = [] } = request;
  const isOffline = maker.options.rootMode === 'offline';
  const { root, sealed, undo } = isOffline ? await offlineRoot(maker, request) : await localRoot(maker);
  const { certificate } = root;
  const rootRow = certifiedRow(maker, { role: 'root', phase, certificate, ...(sealed && { key: sealed }) });
  const rows = [rootRow, await makeIntermediate(maker, root, phase, dnsNames)];
  for (const old of olds) {
    const cross = await createCross(old, certificate, maker.now - maker.options.backdateMs);
    rows.push(certifiedRow(maker, { role: 'cross', phase, certificate: cross }));
  }
  return { rows, undo };
}

/** A cross-signed root that came from outside, as a row. */
export const crossRow = (maker: Maker, certificate: Certificate, phase: KeyPhase): CaKey =>
  certifiedRow(maker, { role: 'cross', phase, certificate });

/** Opens the intermediates that may sign something: leaves, or the revocation list of an older key. */
export async function openSigners(
  sealer: Sealer,
  keys: readonly CaKey[],
  known: ReadonlyMap<string, Signer>,
): Promise<Map<string, Signer>> {
  const signers = new Map<string, Signer>();
  for (const key of keys) {
    if (key.role !== 'intermediate' || key.sealedKey === null || key.certificate === undefined) continue;
    const { id, certificate } = key;
    const old = known.get(id);
    const isSame = old?.certificate.keyHash === certificate.keyHash;
    signers.set(id, isSame ? { ...old, certificate } : { id, key: await openKey(sealer, key), certificate });
  }
  return signers;
}
