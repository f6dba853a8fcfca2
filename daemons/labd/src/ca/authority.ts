import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { LeafKind } from '@labmesh/pki/spiffe-id';
import type { Store, Writer } from '@labmesh/store/store';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';

export type LeafRequest = {
  kind: LeafKind;
  id: string;
  name: string;
  csrPem: string;
  ttlMs: number;
  issuedBy: Principal;
  /** labd only. */
  dnsNames?: string[];
  ips?: string[];
};
export type Issued = {
  serial: string;
  certificatePem: string;
  chainPem: string;
  caPem: string;
  notBefore: number;
  notAfter: number;
  renewAfter: number;
  keyHash: string;
};
export type Bundle = { pem: string; digest: string; pins: string[] };
export type AuthorityOptions = {
  store: Store;
  secrets: Sealer;
  clock: Clock;
  log: Logger;
  options?: Record<string, unknown>;
};

export class Authority {
  static open(_options: AuthorityOptions): Promise<Authority> {
    throw new Error('not written yet');
  }
  bundle(): Bundle {
    throw new Error('not written yet');
  }
  issueLeaf(_tx: Writer, _request: LeafRequest): Promise<Issued> {
    throw new Error('not written yet');
  }
  chainPem(): string {
    throw new Error('not written yet');
  }
}
