/** Judging rows of a chain: does a row belong where it stands, and if not, what happened to it (AU-7)? */
import type { auditFaults } from '@labmesh/wire/fleet/resources/records';
import type { VerifyKeys } from '../audit-keys.ts';
import { type AuditRecord, hashRow } from '../audit-row.ts';

export type FaultKind = (typeof auditFaults)[number];
export type ChainFault = { seq: number; kind: FaultKind };

/** The row's hash as it should be after `prevHash`, with the key it names. Undefined for unknown keys. */
export function expectedHash(keys: VerifyKeys, prevHash: string, row: AuditRecord): string | undefined {
  const key = keys.chainKey(row.keyId);
  return key === undefined ? undefined : hashRow(key, prevHash, row);
}

/** The row is the one that was written at `seq` after a row with `prevHash`. */
export const belongs = (keys: VerifyKeys, seq: number, prevHash: string, row: AuditRecord): boolean =>
  row.seq === seq && row.prevHash === prevHash && expectedHash(keys, prevHash, row) === row.hash;

/** The row is genuine for some seq, judged by the hashes that stand in it. */
const genuineAt = (keys: VerifyKeys, seq: number, row: AuditRecord): boolean =>
  expectedHash(keys, row.prevHash, { ...row, seq }) === row.hash;

/** The row is the one that was written at `seq` after `prevHash`, whatever its seq says now. */
export const movedFrom = (keys: VerifyKeys, seq: number, prevHash: string, row: AuditRecord): boolean =>
  row.prevHash === prevHash && genuineAt(keys, seq, row);

/**
 * The content of `row` is what the hash at another place was made from: contents were exchanged, hashes were not. A row
 * that is genuine where it stands is only alike.
 */
const contentOf = (keys: VerifyKeys, prevHash: string, at: AuditRecord | undefined, row: AuditRecord): boolean =>
  at !== undefined &&
  expectedHash(keys, prevHash, { ...row, seq: at.seq }) === at.hash &&
  !genuineAt(keys, row.seq, row);

/**
 * Names what is wrong at `seq`, the first place where the chain does not hold. `prevHash` is the hash of the row before;
 * `near` are the rows around, in the order of seq. In this order:
 *
 * - the row of this place stands at another: reordered;
 * - no row is here, or a genuine row of another place: deleted;
 * - its key is not known, or all rows from here on are chained by another key: wrong-key;
 * - else: edited.
 */
export function classify(keys: VerifyKeys, seq: number, prevHash: string, near: readonly AuditRecord[]): FaultKind {
  const at = near.find((row) => row.seq === seq);
  const others = near.filter((row) => row.seq !== seq);
  if (others.some((row) => movedFrom(keys, seq, prevHash, row) || contentOf(keys, prevHash, at, row)))
    return 'reordered';
  if (at === undefined) return 'deleted';
  const reach = near.length;
  for (let other = Math.max(1, seq - reach); other <= seq + reach; other++) {
    if (other !== seq && genuineAt(keys, other, at)) return 'deleted';
  }
  if (keys.chainKey(at.keyId) === undefined) {
    const renamed = keys.chainKeyIds().some((keyId) => belongs(keys, seq, prevHash, { ...at, keyId }));
    return renamed ? 'edited' : 'wrong-key';
  }
  const later = near.filter((row) => row.seq > seq);
  // An editor without the key leaves the rows behind as they were, and they are genuine still.
  return later.length > 0 && !later.some((row) => genuineAt(keys, row.seq, row)) ? 'wrong-key' : 'edited';
}
