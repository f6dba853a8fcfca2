/** What a handler of an operation is given and what it gives back. Handlers of one area stand in one file. */
import type { Verb } from '@labmesh/wire/fleet/access-words';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { OperationName, OperationOf } from '@labmesh/wire/fleet/operations';
import type { z } from 'zod';
import type { Limit, Subject, Target } from '../access/policies.ts';
import type { Caller } from '../login/caller.ts';
import type { Noted } from '../login/caller.ts';

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;
type Answer<S> = S extends z.ZodType ? z.input<S> : never;

/** What the audit row of a call says beside who and when. */
export type AuditNote = { resource?: string; resourceId?: string; session?: string; details?: Record<string, unknown> };

export type Call<O extends FleetOperation> = {
  readonly caller: Caller;
  readonly subject: Subject;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Parsed<O['query']>;
  readonly body: Parsed<O['body']>;
  /** Aborted when the client leaves. */
  readonly signal: AbortSignal;
  readonly headers: Headers;
  /** Adds to the audit row; later notes win. */
  note(note: AuditNote): void;
  /**
   * Decides about one thing (`mayEach` operations must ask, for the thing they touch).
   * @throws FleetError PERMISSION_DENIED, or NOT_FOUND when the caller may not even list the kind (AP-5).
   */
  may(verb: Verb, target: Target, limit?: Limit): void;
  /** Whether the caller would still be let in: for answers that go on while rights and logins end (RB-11, CA-8). */
  stillMay(): Promise<boolean>;
};

/** A handler answers with the operation's output; with a Response where that is null, or the status is its own. */
export type Handler<O extends FleetOperation> = (
  call: Call<O>,
) => Promise<O['output'] extends z.ZodType ? Answer<O['output']> | Response : Response>;

export type Handlers = { [N in OperationName]: Handler<OperationOf<N>> };
/** The handlers of one area. */
export type HandlersOf<N extends OperationName> = Pick<Handlers, N>;

/** The answer of a service, its note put into the audit row of the call. */
export async function noted<T>(call: Pick<Call<FleetOperation>, 'note'>, work: Promise<Noted<T>>): Promise<T> {
  const { answer, note } = await work;
  call.note(note);
  return answer;
}
