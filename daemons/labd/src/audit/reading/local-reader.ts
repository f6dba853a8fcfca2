/** Reads the audit log in the thread that it is called in. */
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { VerifyKeys } from '../audit-keys.ts';
import { exportAudit, type ExportQuery } from '../audit-query.ts';
import { verifyAudit, verifyChain, type VerifyRequest } from '../verify/verify-chain.ts';
import type { AuditReader, ExportPart } from './audit-reader.ts';
import { cancellableStore } from './cancellable-store.ts';

const encoder = new TextEncoder();

/** What ends when nobody waits any more. */
export const nobodyWaits = () => new FleetError('AGENT_TIMEOUT', { message: 'nobody waits for this any more' });

export class LocalReader implements AuditReader {
  readonly #store: Store;
  readonly #keys: VerifyKeys;

  constructor({ store, keys }: { store: Store; keys: VerifyKeys }) {
    this.#store = store;
    this.#keys = keys;
  }

  verify = (request: VerifyRequest, signal: AbortSignal) =>
    this.#until(signal, (store) => verifyAudit({ store, keys: this.#keys }, request));

  verifyChain = (chain: string, to: number, signal: AbortSignal) =>
    this.#until(signal, (store) => verifyChain({ store, keys: this.#keys }, chain, { to }));

  exportPart = (principal: Principal, query: ExportQuery, signal: AbortSignal): Promise<ExportPart> =>
    this.#until(signal, async (store) => {
      const { lines, nextCursor } = await exportAudit(store, principal, query);
      return { bytes: encoder.encode(lines.map((line) => `${line}\n`).join('')), nextCursor };
    });

  async #until<T>(signal: AbortSignal, work: (store: Store) => Promise<T>): Promise<T> {
    try {
      return await work(cancellableStore(this.#store, signal));
    } catch (error) {
      throw signal.aborted ? nobodyWaits() : error;
    }
  }

  /** The store is its lender's. */
  async [Symbol.asyncDispose](): Promise<void> {}
}
