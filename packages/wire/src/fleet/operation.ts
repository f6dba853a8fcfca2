/**
 * One operation of labd's API (AP-1). The table of them (operations.ts) is what routes, the OpenAPI document, labctl's
 * client and the access matrix are made from.
 */
import type { z } from 'zod';
import type { Kind, Verb } from './access-words.ts';
import type { Principal } from './principal.ts';

/**
 * Who may call:
 * - public: anyone, also strangers;
 * - any: every identity of the operator's side (user, local, service);
 * - own: identities of these kinds, about themselves;
 * - may: a rule has to allow the verb on the kind. With `each` the handler decides for the thing named as well, and
 *   lists are filtered.
 */
export type FleetAccess =
  | { rule: 'public' }
  | { rule: 'any' }
  | { rule: 'own'; kinds: readonly Principal['kind'][] }
  | { rule: 'may'; verb: Verb; kind: Kind; each?: boolean };

/** F = a start row committed before and an end row after; S = one row committed before the answer; L = later; - = none. */
export type AuditClass = 'F' | 'S' | 'L' | '-';
export type LimitName = 'anonymous' | 'enrol' | 'tokens' | 'login' | 'principal' | 'detailed';

export type FleetOperation = {
  /** Verb-noun. */
  name: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `:id` is one segment. */
  path: string;
  /** Classic routes that stay. */
  aliases?: readonly string[];
  summary: string;
  access: FleetAccess;
  audit: AuditClass;
  /** Beside `principal`, which all identified calls count on. */
  limit?: LimitName;
  /** Default: the API listener alone. */
  listeners?: readonly ('api' | 'agent')[];
  query?: z.ZodType;
  body?: z.ZodType;
  /** Most bytes of the body; default `limits.body`. */
  bodyBytesMax?: number;
  /** Takes an Idempotency-Key (AP-3). */
  idempotent?: boolean;
  /** 201 for creates; default 200. */
  status?: 200 | 201 | 202;
  /** Null: the answer is no JSON document (text, stream, DER). */
  output: z.ZodType | null;
};

/** Keeps the literal types. */
export const operation = <const O extends FleetOperation>(one: O): O => one;

export const publicAccess = { rule: 'public' } as const;
export const anyAccess = { rule: 'any' } as const;
/** A rule must allow `verb` on `kind` as such. */
export const may = <const V extends Verb, const K extends Kind>(verb: V, kind: K) =>
  ({ rule: 'may', verb, kind }) as const;
/** A rule must allow `verb` on the very thing; lists are filtered (AP-3, AP-5). */
export const mayEach = <const V extends Verb, const K extends Kind>(verb: V, kind: K) =>
  ({ rule: 'may', verb, kind, each: true }) as const;
