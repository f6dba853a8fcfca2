/** What the ways to join have in common. */
import type { Csr } from '@labmesh/pki/csr';
import type { Enroll } from '@labmesh/wire/fleet/enrolment';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { Issued } from '../../ca/authority.ts';
import type { Denials } from '../../login/end-logins.ts';
import type { LeafSource } from '../../login/user-certificates.ts';
import type { AgentPlace } from '../agent-certificates.ts';
import type { TokenRow } from '../tokens/token-rows.ts';

export type JoinParts = {
  authority: LeafSource;
  denials: Denials;
  /** Lives of certificates, ms. */
  ttl: { agentMs: number; serviceMs: number };
};

/** One try to join, after the token was found. */
export type Joining = {
  token: TokenRow;
  request: Enroll;
  csr: Csr;
  sourceIp: string;
  issuedBy: Principal;
  now: number;
};

export type Joined =
  | { state: 'waiting'; place: AgentPlace }
  | {
      state: 'issued';
      type: 'server' | 'bastion' | 'service';
      place: AgentPlace;
      issued: Issued;
      how: 'fresh' | 'rejoin' | 'takeover' | 'approved' | 'repeated';
      tokenPrefix: string;
    };
