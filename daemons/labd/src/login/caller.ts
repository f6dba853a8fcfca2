/** Who calls and how they proved it: the first argument of every service of labd. */
import type { Principal } from '@labmesh/wire/fleet/principal';

export type Caller = {
  principal: Principal;
  /** Groups that the login told (ID-4); they bind to roles. */
  groups?: readonly string[];
  /** Without port; IPv4-mapped IPv6 is written as IPv4. */
  sourceIp: string;
  requestId: string;
  /** Id of the login session of a bearer. */
  session?: string;
  /** SHA-256 (hex) of the client certificate's SubjectPublicKeyInfo. */
  keyHash?: string;
  /** SPIFFE URI of the client certificate. */
  uri?: string;
  /** 32 lower-case hex digits. */
  serial?: string;
  /** Until when the certificate or session is good, Unix ms; a socket may outlive it (LD-4). */
  expiresAt?: number;
};

/** An answer for the caller, and what its audit row says beside who and when. Never holds a secret. */
export type Noted<T> = {
  answer: T;
  note: { resource?: string; resourceId?: string; details?: Record<string, unknown> };
};
