import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store, Writer } from '@labmesh/store/store';

export type DenyKind = 'serial' | 'identity' | 'key' | 'machine';
export type DenySubject = { serial?: string; identity?: string; keyHash?: string; machineId?: string };

/** CA-8. `identity` values are SPIFFE URIs, `serial` 32 hex digits, `key` SHA-256 of the SPKI in hex. */
export class DenyList {
  static open(_options: { store: Store; clock: Clock; log: Logger }): Promise<DenyList> {
    throw new Error('not written yet');
  }
  /** What forbids this identity, or undefined. From memory. */
  check(_subject: DenySubject): DenyKind | undefined {
    throw new Error('not written yet');
  }
  /** Since the last poll that succeeded, ms. */
  ageMs(): number {
    throw new Error('not written yet');
  }
  /** @throws FleetError REVOCATION_STALE above 30 s: no new connection or exec then. */
  assertFresh(): void {
    throw new Error('not written yet');
  }
  /** Called after each change, own or polled; returns the way to stop. */
  onChange(_fn: () => void): () => void {
    throw new Error('not written yet');
  }
  deny(_tx: Writer, _kind: DenyKind, _value: string, _reason: string): Promise<void> {
    throw new Error('not written yet');
  }
  lift(_tx: Writer, _kind: DenyKind, _value: string): Promise<void> {
    throw new Error('not written yet');
  }
  /** Reads what changed; also called when another replica pushed. Never rejects: a failure makes the list older. */
  poll(): Promise<void> {
    throw new Error('not written yet');
  }
}
