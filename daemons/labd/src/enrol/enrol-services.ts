/** The ways machines join and stay, put together (2.5). */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import type { Denials } from '../login/end-logins.ts';
import { type LeafSource, pinText } from '../login/user-certificates.ts';
import type { LifecycleParts } from './agent-lifecycle.ts';
import { Enrolment } from './enroll.ts';
import { JoinTokens } from './tokens/join-tokens.ts';

export type EnrolServices = {
  tokens: JoinTokens;
  enrolment: Enrolment;
  lifecycle: LifecycleParts;
  ttl: { agentMs: number; serviceMs: number };
};

export type EnrolServiceParts = {
  store: Store;
  clock: Clock;
  options: { trustDomain: string; agentTtlMs: number; serviceTtlMs: number };
  authority: LeafSource;
  denyList: Denials;
  /** Ours, for join commands. */
  agentUrl: string;
  /** Of all live replicas, ours first. */
  agentUrls: () => readonly string[];
};

export function enrolServices(parts: EnrolServiceParts): EnrolServices {
  const { store, clock, options, authority, denyList: denials, agentUrl, agentUrls } = parts;
  const ttl = { agentMs: options.agentTtlMs, serviceMs: options.serviceTtlMs };
  return {
    tokens: new JoinTokens({ store, clock, target: () => ({ agentUrl, pin: pinText(authority) }) }),
    enrolment: new Enrolment({ store, clock, authority, denials, ttl, agentUrls }),
    lifecycle: { store, clock, denials, trustDomain: options.trustDomain },
    ttl,
  };
}
