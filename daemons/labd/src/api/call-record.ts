/** The audit rows of one call (AU-4): what its class asks for when it goes well, and a row for each refusal. */
import type { Clock } from '@labmesh/kit/clock';
import type { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { FleetOperation } from '@labmesh/wire/fleet/operation';
import type { AuditEntry, AuditLog } from '../audit/audit-log.ts';
import type { FirstRefusals } from '../limits/first-refusals.ts';
import type { Caller } from '../login/caller.ts';
import type { AuditNote } from './handler.ts';

/** What a row says of the caller; known in full only once the caller is. */
export type Acting = Pick<Caller, 'principal' | 'sourceIp' | 'requestId'>;

export type CallRecordParts = { audit: AuditLog; clock: Clock; refusals: FirstRefusals };

const deniedCodes = new Set<FleetError['code']>(['NOT_FOUND', 'WRONG_LISTENER']);
const isDenial = ({ status, code }: FleetError) => status === 401 || status === 403 || deniedCodes.has(code);

export class CallRecord {
  readonly #operation: FleetOperation;
  readonly #parts: CallRecordParts;
  readonly #startedAt: number;
  #acting: Acting;
  #note: AuditNote = {};
  #started = false;

  constructor(operation: FleetOperation, acting: Acting, parts: CallRecordParts) {
    this.#operation = operation;
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
    this.#acting = acting;
  }

  /** From here on the caller is known. */
  callerIs(acting: Acting): void {
    this.#acting = acting;
  }

  /** Adds to the row; later notes win. */
  note(note: AuditNote): void {
    this.#note = { ...this.#note, ...note };
  }

  #entry(phase: AuditEntry['phase'], result: AuditEntry['result'], code?: string): AuditEntry {
    const durationMs = Math.round((this.#parts.clock.now() - this.#startedAt) * 10) / 10;
    const { principal, sourceIp, requestId } = this.#acting;
    return {
      principal,
      sourceIp,
      requestId,
      action: this.#operation.name,
      ...this.#note,
      phase,
      result,
      ...(phase !== 'start' && { durationMs }),
      ...(code !== undefined && { code }),
    };
  }

  /** F: the row that must stand before anything is done. @throws FleetError AUDIT_UNAVAILABLE. */
  async start(): Promise<void> {
    if (this.#operation.audit !== 'F') return;
    await this.#parts.audit.append(this.#entry('start', 'ok'));
    this.#started = true;
  }

  /** @throws FleetError AUDIT_UNAVAILABLE: without its row the answer does not leave. */
  async done(): Promise<void> {
    const { audit } = this.#operation;
    if (audit === 'L') this.#parts.audit.note(this.#entry('single', 'ok'));
    else if (audit !== '-') await this.#parts.audit.append(this.#entry(this.#started ? 'end' : 'single', 'ok'));
  }

  /** A refusal is a row, too; one that cannot be written does not hide the refusal. */
  async failed(refusal: FleetError): Promise<void> {
    const { audit, access } = this.#operation;
    // What is open to all tells nobody anything by failing: a probe on the wrong door, a slip in a query.
    const isOpen = audit === '-' && access.rule === 'public';
    if (isOpen && refusal.status !== 401 && refusal.status !== 403) return;
    const entry = this.#entry(this.#started ? 'end' : 'single', isDenial(refusal) ? 'denied' : 'error', refusal.code);
    if (refusal.status === 429) {
      const { principal, sourceIp } = this.#acting;
      if (this.#parts.refusals.isFirst(`${principal.kind}:${principal.id}:${sourceIp}`)) this.#parts.audit.note(entry);
      return;
    }
    if (audit === 'L' || isOpen) return this.#parts.audit.note(entry);
    await this.#parts.audit.append(entry).catch(() => undefined);
  }
}
