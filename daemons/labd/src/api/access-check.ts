/**
 * The access decision of one call (RB-5, AP-5). `begin` turns away who has no business with the operation at all; for
 * `mayEach` operations the handler asks for the very thing, and `end` makes sure that it did.
 */
import type { Verb } from '@labmesh/wire/fleet/access-words';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { Limit, Policies, Subject, Target } from '../access/policies.ts';

const collective = new Set<Verb>(['list']);

export class AccessCheck {
  readonly #operation: FleetOperation;
  readonly #subject: Subject;
  readonly #policies: Policies;
  #asked = false;

  constructor(operation: FleetOperation, subject: Subject, policies: Policies) {
    this.#operation = operation;
    this.#subject = subject;
    this.#policies = policies;
  }

  /** @throws FleetError UNAUTHENTICATED, PERMISSION_DENIED. */
  begin(): void {
    const { access } = this.#operation;
    const { kind } = this.#subject.principal;
    if (access.rule === 'public') return;
    if (kind === 'anonymous') throw new FleetError('UNAUTHENTICATED');
    if (access.rule === 'own') {
      if (!access.kinds.includes(kind)) throw new FleetError('PERMISSION_DENIED');
      return;
    }
    // Machines have their own operations, and none of the people's (LD-8).
    if (kind !== 'user' && kind !== 'local' && kind !== 'service') throw new FleetError('PERMISSION_DENIED');
    if (access.rule === 'any') return;
    const denied = () => this.#denied(access.verb, { kind: access.kind });
    if (access.each === true) {
      if (!this.#policies.mayAny(this.#subject, access.verb, access.kind)) throw denied();
    } else if (!this.#policies.decide(this.#subject, access.verb, { kind: access.kind }).allowed) throw denied();
  }

  readonly may = (verb: Verb, target: Target, limit?: Limit): void => {
    this.#asked = true;
    const decision = this.#policies.decide(this.#subject, verb, target, limit);
    if (decision.allowed) return;
    // Who may not even list the kind cannot tell what is forbidden from what is not there.
    const listable = this.#policies.mayAny(this.#subject, 'list', target.kind);
    throw listable ? this.#denied(verb, target) : new FleetError('NOT_FOUND');
  };

  /** @throws FleetError INTERNAL for a handler that forgot to ask; nothing it found leaves then. */
  end(): void {
    const { access, name } = this.#operation;
    if (access.rule !== 'may' || access.each !== true || this.#asked || collective.has(access.verb)) return;
    throw new FleetError('INTERNAL', { log: `the handler of ${name} did not ask for access` });
  }

  #denied(verb: Verb, target: Target): FleetError {
    const decision = this.#policies.decide(this.#subject, verb, target);
    const what = target.name === undefined ? target.kind : `${target.kind}/${target.name}`;
    const by = decision.rule === undefined ? '' : ` by role ${decision.role ?? '?'}: "${decision.rule}"`;
    return new FleetError('PERMISSION_DENIED', {
      message: `${verb} on ${what} denied${by}`,
      hint: `labctl auth can-i ${verb} ${what} --explain`,
    });
  }
}
