/**
 * What follows from the CA's keys and phase: whom to trust, who signs, what to send. Pure; the authority keeps one such
 * state in memory and replaces it whole.
 *
 *     phase           clients' leaves by   labd's leaves by   bundle          labd trusts
 *     standby         active               active             active          active, previous
 *     init            active               active             active, next    active, next, previous
 *     update_clients  next                 active             active, next    …
 *     update_servers  next                 next               active, next    …
 *
 * Previous roots stay trusted by labd alone: leaves that they signed end by themselves within a day, and a sleeper's
 * expired one has to lead somewhere (CA-7, CA-11).
 */
import { toPem } from '@labmesh/pki/der/pem';
import type { Certificate } from '@labmesh/pki/der/read-certificate';
import type { Issuer } from '@labmesh/pki/issue/profiles';
import { bundleDigest, pinOf } from '@labmesh/pki/pin';
import type { LeafKind } from '@labmesh/pki/spiffe-id';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { CaKey, CaMeta, CaRows, KeyPhase } from './ca-rows.ts';

/** Roots for others to trust. `pins` are in the order of the roots, the active one first. */
export type Bundle = { pem: string; digest: string; pins: string[] };

/** An intermediate that can sign. */
export type Signer = Issuer & { id: string };

export type CaState = {
  meta: CaMeta;
  keys: readonly CaKey[];
  /** Intermediates by row id whose private key is open. */
  signers: ReadonlyMap<string, Signer>;
  bundle: Bundle;
  /** Roots that labd itself trusts, PEM. */
  anchorsPem: string;
  /** For building a peer's chain: intermediates, newest first. */
  intermediates: readonly Uint8Array[];
};

/** As many as a peer's check looks at. */
const intermediatesMax = 16;

const sameName = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

type Certified = CaKey & { certificate: Certificate };
const isCertified = (key: CaKey): key is Certified => key.certificate !== undefined;

const certified = (keys: readonly CaKey[], role: CaKey['role'], ...phases: KeyPhase[]): Certified[] =>
  phases.flatMap((phase) => keys.filter((key) => key.role === role && key.phase === phase).filter(isCertified));

export const pemOf = (certificates: readonly Certificate[]): string =>
  certificates.map(({ der }) => toPem('CERTIFICATE', der)).join('');

export function caState({ meta, keys }: CaRows, signers: ReadonlyMap<string, Signer>): CaState {
  const roots = (...phases: KeyPhase[]) => certified(keys, 'root', ...phases).map(({ certificate }) => certificate);
  const told = roots('active', 'next');
  const anchors = roots('active', 'next', 'previous');
  const pem = pemOf(told);
  return {
    meta,
    keys,
    signers,
    bundle: { pem, digest: bundleDigest(pem), pins: told.map(({ der }) => pinOf(der)) },
    anchorsPem: pemOf(anchors),
    intermediates: intermediatesOf(keys, anchors),
  };
}

/** Also those whose keys are destroyed: a machine that comes back after a year shows a leaf of one (CA-7). */
function intermediatesOf(keys: readonly CaKey[], anchors: readonly Certificate[]): Uint8Array[] {
  const all = certified(keys, 'intermediate', 'active', 'next', 'previous', 'destroyed').filter(({ certificate }) =>
    anchors.some(({ subject }) => sameName(subject, certificate.issuer)),
  );
  const newestFirst = all.toSorted((a, b) => b.createdAt - a.createdAt);
  return newestFirst.slice(0, intermediatesMax).map(({ certificate }) => certificate.der);
}

/** Whether leaves of this kind come from the next generation by now. */
const isMoved = (meta: CaMeta, kind: LeafKind): boolean =>
  meta.phase === 'update_servers' || (meta.phase === 'update_clients' && kind !== 'labd');

/** Who signs a leaf of this kind now. @throws FleetError INTERNAL when its key is not at hand. */
export function signerFor(state: CaState, kind: LeafKind): Signer {
  const phase = isMoved(state.meta, kind) ? 'next' : 'active';
  const newest = certified(state.keys, 'intermediate', phase).at(-1);
  const signer = newest === undefined ? undefined : state.signers.get(newest.id);
  if (signer === undefined) throw new FleetError('INTERNAL', { log: `no ${phase} intermediate can sign` });
  return signer;
}

/**
 * What stands between a leaf and a root, as PEM: the intermediate, for servers also its root as older roots signed it.
 * TLS libraries take the first of several namesakes and do not come back to try the next, so the one by the youngest
 * old root goes first: who slept through one rotation gets in; through two within 90 days only by our own check.
 */
export function chainOf(state: CaState, issuer: Certificate, isServer: boolean): string {
  const age = (cross: Certificate) =>
    state.keys.findLastIndex(({ role, certificate }) => role === 'root' && isIssuedBy(cross, certificate));
  const crosses = certified(state.keys, 'cross', 'active', 'next', 'previous')
    .map(({ certificate }) => certificate)
    .filter(({ subject }) => isServer && sameName(subject, issuer.issuer))
    .toSorted((a, b) => age(b) - age(a));
  return pemOf([issuer, ...crosses]);
}

const isIssuedBy = (child: Certificate, issuer: Certificate | undefined): boolean =>
  issuer !== undefined && sameName(child.issuer, issuer.subject);

/** The intermediate that signed a leaf, by the hash of its key. */
export const intermediateBy = (state: CaState, keyHash: string): Certificate | undefined =>
  state.keys.filter(isCertified).find((key) => key.role === 'intermediate' && key.keyHash === keyHash)?.certificate;

/** The key row in a role and phase; the newest when there are several. */
export const keyIn = (state: Pick<CaRows, 'keys'>, role: CaKey['role'], phase: KeyPhase): CaKey | undefined =>
  state.keys.filter((key) => key.role === role && key.phase === phase).at(-1);

/** The intermediate that waits to be signed by an offline root, if any. */
export const waiting = (state: Pick<CaRows, 'keys'>): CaKey | undefined =>
  state.keys.find((key) => key.role === 'intermediate' && key.phase === 'next' && key.certificate === undefined);
