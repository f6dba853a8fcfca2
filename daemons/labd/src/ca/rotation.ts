/**
 * Rotation of the root (CA-10, CA-11), one step a call:
 *
 *     standby → init → update_clients → update_servers → standby
 *        ▲        └──────────┴── rollback ──┴──────────────┘
 *
 * init makes a new root, its intermediate, and the new root as the old one signs it; all learn to trust both. Then
 * clients, then servers, get leaves of the new one. With the last step the new root alone is in bundles; the old one's
 * keys live 90 days more for whoever slept through it, and are destroyed. A step that would leave an agent behind names
 * it and wants `force`.
 */
import { readPem } from '@labmesh/pki/der/pem';
import { type Certificate, readCertificate } from '@labmesh/pki/der/read-certificate';
import type { Issuer } from '@labmesh/pki/issue/profiles';
import type { Writer } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { publicKeyOf } from '@labmesh/pki/keys';
import { verify } from 'node:crypto';
import {
  type CaKey,
  type CaMeta,
  type CaPhase,
  type CaRows,
  insertKeys,
  type KeyPhase,
  setKeyCertificate,
  setKeyPhase,
  writeMeta,
} from './keys/ca-rows.ts';
import { keyIn, pemOf, waiting } from './keys/ca-state.ts';
import { crossRow, type Maker, openKey } from './keys/make-keys.ts';

export type RotationStep = CaPhase | 'rollback';

const forward: Readonly<Record<CaPhase, CaPhase>> = {
  standby: 'init',
  init: 'update_clients',
  update_clients: 'update_servers',
  update_servers: 'standby',
};

const refused = (message: string, hint?: string) =>
  new FleetError('CA_PHASE', hint === undefined ? { message } : { message, hint });

/** Names shown of many. */
const namesMax = 20;

/** @throws FleetError CA_PHASE when the step is not the next one, or comes too early. */
export function checkStep(meta: CaMeta, to: RotationStep, now: number, phaseMinMs: number): void {
  const next = forward[meta.phase];
  if (to === 'rollback') {
    if (meta.phase === 'standby') throw refused('there is no rotation to roll back');
    return;
  }
  if (to !== next) {
    const allowed = meta.phase === 'standby' ? next : `${next} or rollback`;
    throw refused(`the rotation is in phase ${meta.phase}`, `next: ${allowed}`);
  }
  const leftMs = meta.since + phaseMinMs - now;
  if (meta.phase !== 'standby' && leftMs > 0) {
    throw refused(`phase ${meta.phase} lasts at least ${Math.ceil(phaseMinMs / 60_000)} min`, `again in ${leftMs} ms`);
  }
}

/** @throws FleetError CA_PHASE naming who lacks the bundle; nobody is left behind by accident. */
export function checkBehind(behind: readonly string[], force: boolean): void {
  if (behind.length === 0 || force) return;
  const names = behind.slice(0, namesMax).join(', ');
  const more = behind.length > namesMax ? ` and ${behind.length - namesMax} more` : '';
  throw refused(`not reported the new bundle: ${names}${more}`, 'wait for them, or --force: they come back by CA-11');
}

const idsOf = (rows: CaRows, from: KeyPhase, roles: readonly CaKey['role'][]): string[] =>
  rows.keys.filter(({ role, phase }) => phase === from && roles.includes(role)).map(({ id }) => id);
const every = ['root', 'intermediate', 'cross'] as const;

/** Moves keys to `previous` and remembers since when. */
async function retire(tx: Writer, meta: CaMeta, ids: readonly string[], now: number): Promise<CaMeta> {
  await setKeyPhase(tx, ids, 'previous');
  return { ...meta, previousSince: { ...meta.previousSince, ...Object.fromEntries(ids.map((id) => [id, now])) } };
}

/** One step in the transaction. `made` are the new generation's rows, for `init`. @throws FleetError CA_PHASE. */
export async function applyStep(
  tx: Writer,
  rows: CaRows,
  step: { to: RotationStep; made: readonly CaKey[]; now: number; force: boolean },
): Promise<void> {
  const { to, made, now, force } = step;
  let meta: CaMeta = { ...rows.meta, phase: to === 'rollback' ? 'standby' : to, since: now };
  if (to === 'init') {
    // A request that waits for the old root is of no use any more.
    const pending = waiting(rows);
    if (pending !== undefined) await setKeyPhase(tx, [pending.id], 'destroyed');
    await insertKeys(tx, made);
  } else if (to === 'rollback') {
    meta = await retire(tx, meta, idsOf(rows, 'next', every), now);
  } else if (to === 'standby') {
    meta = await retire(tx, meta, idsOf(rows, 'active', every), now);
    await setKeyPhase(tx, idsOf(rows, 'next', every), 'active');
  } else if (to === 'update_servers' && keyIn(rows, 'cross', 'next') === undefined && !force) {
    throw refused('the new root is not cross-signed by the old one yet', 'sign the request with the old root file');
  }
  await writeMeta(tx, meta, now);
}

/** Roots whose private keys are here, to sign the next one: the active one and those of the last 90 days. */
export async function signingRoots(maker: Maker, rows: CaRows): Promise<Issuer[]> {
  const issuers: Issuer[] = [];
  for (const key of rows.keys) {
    const isOld = key.role === 'root' && (key.phase === 'active' || key.phase === 'previous');
    if (!isOld || key.sealedKey === null || key.certificate === undefined) continue;
    issuers.push({ key: await openKey(maker.sealer, key), certificate: key.certificate });
  }
  return issuers;
}

/** A fresh intermediate takes over; the old one signs lists on until it is destroyed. */
export async function replaceIntermediate(tx: Writer, rows: CaRows, made: CaKey, now: number): Promise<void> {
  const meta = await retire(tx, rows.meta, idsOf(rows, 'active', ['intermediate']), now);
  await insertKeys(tx, [made]);
  await writeMeta(tx, meta, now);
}

/** Keys that have been `previous` for long enough. */
export function overdue(rows: Pick<CaRows, 'meta' | 'keys'>, now: number, keepOldMs: number): CaKey[] {
  const { previousSince } = rows.meta;
  return rows.keys.filter(({ id, phase }) => phase === 'previous' && now - (previousSince[id] ?? now) >= keepOldMs);
}

/** Destroys what is overdue: the private keys are gone for good. True when there was something. */
export async function destroyOld(tx: Writer, rows: CaRows, now: number, keepOldMs: number): Promise<boolean> {
  const due = overdue(rows, now, keepOldMs);
  if (due.length === 0) return false;
  const roots = due.flatMap(({ role, certificate }) => (role === 'root' && certificate ? [certificate] : []));
  // What a dead root signed leads nowhere any more.
  const crosses = rows.keys.filter(
    ({ role, certificate }) =>
      role === 'cross' && roots.some((root) => certificate && Buffer.compare(root.subject, certificate.issuer) === 0),
  );
  await setKeyPhase(tx, [...new Set([...due, ...crosses].map(({ id }) => id))], 'destroyed');
  const left = Object.entries(rows.meta.previousSince).filter(([id]) => !due.some((key) => key.id === id));
  await writeMeta(tx, { ...rows.meta, previousSince: Object.fromEntries(left) }, now);
  return true;
}

/** What an offline root is asked to sign, as PEM: the intermediate's request, and in a rotation the new root. */
export function signingRequest(rows: Pick<CaRows, 'meta' | 'keys'>): string | undefined {
  if (rows.meta.rootMode !== 'offline') return undefined;
  const isUncrossed = rows.meta.phase !== 'standby' && keyIn(rows, 'cross', 'next') === undefined;
  const next = isUncrossed ? keyIn(rows, 'root', 'next') : undefined;
  const text = (waiting(rows)?.pem ?? '') + (next?.pem ?? '');
  return text === '' ? undefined : text;
}

const isSignedBy = (child: Certificate, issuer: Certificate | undefined): boolean =>
  issuer !== undefined &&
  Buffer.compare(child.issuer, issuer.subject) === 0 &&
  verify(child.hash, child.tbs, { key: publicKeyOf(issuer.spki), dsaEncoding: 'der' }, child.signature);

/**
 * Takes what the offline root signed: an intermediate for the waiting request, a cross-signed new root.
 * @throws FleetError VALIDATION_FAILED (certificatePem) for anything else.
 */
export async function installSigned(tx: Writer, rows: CaRows, maker: Maker, pem: string): Promise<void> {
  const invalid = (message: string) => new FleetError('VALIDATION_FAILED', { field: 'certificatePem', message });
  const active = keyIn(rows, 'root', 'active')?.certificate;
  const [pending, nextRoot] = [waiting(rows), keyIn(rows, 'root', 'next')];
  let meta = rows.meta;
  const blocks = readPem(pem).filter(({ label }) => label === 'CERTIFICATE');
  if (blocks.length === 0) throw invalid('there is no certificate');
  for (const { der } of blocks) {
    let certificate: Certificate;
    try {
      certificate = readCertificate(der);
    } catch {
      throw invalid('the certificate cannot be read');
    }
    if (!certificate.isCa || !isSignedBy(certificate, active)) throw invalid('not signed by our root');
    if (certificate.keyHash === pending?.keyHash) {
      meta = await retire(tx, meta, idsOf(rows, 'active', ['intermediate']), maker.now);
      await setKeyCertificate(tx, pending.id, pemOf([certificate]), certificate);
      await setKeyPhase(tx, [pending.id], 'active');
    } else if (certificate.keyHash === nextRoot?.keyHash) {
      await insertKeys(tx, [crossRow(maker, certificate, 'next')]);
    } else throw invalid('this certificate was not asked for');
  }
  await writeMeta(tx, meta, maker.now);
}
