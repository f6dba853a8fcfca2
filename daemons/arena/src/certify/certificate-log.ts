/** Certificates on their way into the transparency log: once each, also those that a crash or an absent service left. */
import { bundleBytes, parseBundle } from '@labmesh/attest/certificate/bundle';
import type { EnvelopeJson } from '@labmesh/attest/dsse/envelope';
import { isKmsRefusal } from '@labmesh/attest/keys/kms';
import type { Json } from '@labmesh/attest/json/canonical-json';
import { type CertificateRow, setLogged, unloggedCertificates } from './certificate-rows.ts';
import type { RevokerParts } from './revoker.ts';

/** Certificates that one look logs. */
const unloggedMost = 10_000;
/** Of them side by side: one checkpoint each group, and no more in memory. */
const settleAtOnce = 500;

const utf8 = (text: string) => new TextEncoder().encode(text);

export class CertificateLog implements AsyncDisposable {
  readonly #parts: RevokerParts;
  /** On their way, by id of the run. */
  readonly #logging = new Map<string, Promise<void>>();
  #owes = false;

  constructor(parts: RevokerParts) {
    this.#parts = parts;
  }

  /** The service of the log's key did not sign for one. */
  get owes(): boolean {
    return this.#owes;
  }

  /** Sees to it that a certificate gets into the log; what fails is told of, and tried by the next `settle`. */
  add(row: CertificateRow): void {
    if (row.log_index !== null || this.#logging.has(row.run_id)) return;
    const logging = this.#logRow(row)
      .catch((error: unknown) => {
        this.#owes ||= isKmsRefusal(error);
        this.#parts.log.error('a certificate is not logged yet; it is tried again', { id: row.id, error });
      })
      .finally(() => this.#logging.delete(row.run_id));
    this.#logging.set(row.run_id, logging);
  }

  /** Resolves when the certificate of a run is not on its way any more. */
  async logged(runId: string): Promise<void> {
    await this.#logging.get(runId);
  }

  /** Logs what is not: after a crash, or when the service of the log's key is back. */
  async settle(): Promise<void> {
    this.#owes = false;
    const rows = await unloggedCertificates(this.#parts.store, unloggedMost);
    if (rows.length > 0) this.#parts.log.info('certificates that were left are logged now', { count: rows.length });
    for (let at = 0; at < rows.length && !this.#owes; at += settleAtOnce) {
      const some = rows.slice(at, at + settleAtOnce);
      for (const row of some) this.add(row);
      await Promise.all(some.map(({ run_id: id }) => this.logged(id)));
    }
  }

  async #logRow(row: CertificateRow): Promise<void> {
    const { statement, salt } = parseBundle(utf8(row.bundle));
    const { certificate_id: id, issued_at: time } = statement.predicate.labmesh;
    const { sha256 } = row;
    const { index, tlogProof } = await this.#parts.signing.add({ v: 1, kind: 'certificate', id, sha256, time });
    const { dsse } = JSON.parse(row.bundle) as { dsse: EnvelopeJson };
    const bundle = new TextDecoder().decode(bundleBytes({ dsse, tlogProof, salt, statement: statement as Json }));
    await setLogged(this.#parts.store, row.id, index, bundle);
  }

  /** Waits for what is on its way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#logging.values());
  }
}
