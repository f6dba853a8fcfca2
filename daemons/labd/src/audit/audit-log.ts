/** Contract; the implementation follows. */
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { Sealer } from '../secrets/sealer.ts';

export type AuditEntry = {
  principal: Principal;
  phase: 'start' | 'end' | 'single';
  action: string;
  resource?: string;
  resourceId?: string;
  session?: string;
  sourceIp?: string;
  requestId?: string;
  result: 'ok' | 'denied' | 'error';
  code?: string;
  durationMs?: number;
  details?: Record<string, unknown>;
};

export interface AuditLog extends AsyncDisposable {
  readonly chain: string;
  /** Resolves when the row is committed. @throws FleetError AUDIT_UNAVAILABLE. */
  append(entry: AuditEntry): Promise<{ seq: number }>;
  /** L rows: never waits or throws. */
  note(entry: AuditEntry): void;
  head(): { seq: number; hash: string };
  lagMs(): number;
  flush(): Promise<void>;
}

export type AuditLogOptions = {
  commitWaitMs?: number;
  commitRows?: number;
  queueMax?: number;
  writeTimeoutMs?: number;
};

export function openAuditLog(_: {
  store: Store;
  secrets: Sealer;
  chain: string;
  clock: Clock;
  log: Logger;
  options?: AuditLogOptions;
}): Promise<AuditLog> {
  throw new Error('not yet');
}
