/** What the main thread and the one that reads the audit log say to each other. All of it is plain data. */
import type { FleetErrorCode, FleetErrorOptions } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { SharedKeys } from '../audit-keys.ts';
import type { ExportQuery } from '../audit-query.ts';
import type { VerifyRequest } from '../verify/verify-chain.ts';

export type AuditJob =
  | { kind: 'verify'; request: VerifyRequest }
  /** Of one chain, up to a seq: what pruning asks. */
  | { kind: 'verify-chain'; chain: string; to: number }
  | { kind: 'export'; principal: Principal; query: ExportQuery };

/** A FleetError on its way between threads; `log` stays for the log. */
export type CarriedError = { code: FleetErrorCode } & Omit<FleetErrorOptions, 'cause'>;

export type ToAuditThread =
  /** First of all. */
  | { kind: 'open'; databaseUrl: string }
  /** The keys as the main thread knows them: before each verification. */
  | { kind: 'keys'; keys: SharedKeys }
  | { kind: 'job'; jobId: number; job: AuditJob }
  /** Nobody waits for it any more. */
  | { kind: 'cancel'; jobId: number }
  /** The answer to `reload`. */
  | { kind: 'reloaded'; keys: SharedKeys }
  | { kind: 'not-reloaded'; error: CarriedError }
  | { kind: 'end' };

export type FromAuditThread =
  | { kind: 'done'; jobId: number; result: unknown }
  | { kind: 'failed'; jobId: number; error: CarriedError }
  /** A row names a key that another replica may have made. */
  | { kind: 'reload' }
  /** The store is closed. */
  | { kind: 'ended' };
