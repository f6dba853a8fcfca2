/** The door to the audit log: what it takes, and opening it where the chain ended. */
import { system } from '@labmesh/wire/fleet/principal';
import { Appender, type AuditLog, type AuditLogParts } from './appender.ts';
import { AuditKeys } from './audit-keys.ts';
import { firstPrevHash } from './audit-row.ts';
import { readHead } from './audit-store.ts';
import { openStub } from './checkpoints.ts';
import type { AuditEntry } from './clean-entry.ts';
import { readStub } from './stubs.ts';

export type { AuditEntry, AuditLog, AuditLogParts };

const who = system('audit');

/**
 * Opens the log of a chain and goes on where it ended. Close it before the store.
 * @throws FleetError STORE_UNAVAILABLE; INTERNAL when an audit key does not open.
 */
export async function openAuditLog(parts: AuditLogParts): Promise<AuditLog> {
  const { store, secrets, chain, clock } = parts;
  const keys = await AuditKeys.open(store, secrets, clock.wall());
  const signed = await readStub(store, chain);
  const stub = signed === undefined ? undefined : openStub(keys, signed);
  const first = { seq: 0, hash: firstPrevHash(chain) };
  const base = stub === undefined || stub === false ? first : { seq: stub.seq, hash: stub.hash };
  const head = await store.read(who, (db) => readHead(db, chain));
  return new Appender(parts, keys, base, head ?? base);
}
