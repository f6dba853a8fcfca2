/**
 * Certificates of valid runs (verification CT3-CT7). A run has one certificate, however often it is asked for. It is given
 * out once it is signed and written; the log's next checkpoint holds it, within 2 s. Until then it says that it is pending
 * by having no proof; what a crash leaves in between is logged at the next start.
 */
import { bundleBytes, parseBundle } from '@labmesh/attest/certificate/bundle';
import { certificateFile } from '@labmesh/attest/certificate/issue-certificate';
import type { EnvelopeJson } from '@labmesh/attest/dsse/envelope';
import type { Json } from '@labmesh/attest/json/canonical-json';
import { parseEntry } from '@labmesh/attest/merkle/log-entry';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { sandboxLevels } from '@labmesh/wire/verification/sandbox';
import type { Certified, FinishedRun } from '../contract/finished-run.ts';
import {
  certificateOfRun,
  type CertificateRow,
  insertCertificate,
  setLogged,
  unloggedCertificates,
} from './certificate-rows.ts';
import { Revoker } from './revoker.ts';
import type { SigningFolder } from './signing-folder.ts';
import { type IssuerSettings, statementOfRun } from './statement-of-run.ts';

export type IssuerParts = {
  signing: SigningFolder;
  settings: IssuerSettings;
  store: Store;
  clock: Clock;
  log: Logger;
};

/** Certificates that one start logs after a crash. */
const unloggedMost = 10_000;
/** Of them side by side: one checkpoint each group, and no more in memory. */
const settleAtOnce = 500;
const isolationHead = 'LABMESH_ISOLATION_L';

const utf8 = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** What the run's report says of the certificate: read from what was signed. */
function certifiedOf({ id, bundle }: CertificateRow): Certified {
  const claimed = parseBundle(utf8(bundle)).statement.predicate.properties;
  const level = claimed.find((name) => name.startsWith(isolationHead))?.slice(isolationHead.length);
  return {
    certificateId: id,
    properties: claimed.map((name) => name.replace(/^LABMESH_/, '')),
    isolation: level === undefined ? null : (sandboxLevels[Number(level)] ?? null),
  };
}

export class Issuer implements AsyncDisposable {
  /** Who takes back what it signed. */
  readonly revoker: Revoker;
  readonly #parts: IssuerParts;
  /** On their way into the log, by id of the run. */
  readonly #logging = new Map<string, Promise<void>>();

  constructor(parts: IssuerParts) {
    this.#parts = parts;
    this.revoker = new Revoker(parts);
  }

  /** Logs what a crash left between signature and log, and marks what was revoked meanwhile. Once, at the start. */
  async settle(): Promise<void> {
    await this.revoker.settle();
    const rows = await unloggedCertificates(this.#parts.store, unloggedMost);
    if (rows.length > 0) this.#parts.log.info('certificates that a crash left are logged now', { count: rows.length });
    for (let at = 0; at < rows.length; at += settleAtOnce) {
      await Promise.all(rows.slice(at, at + settleAtOnce).map((row) => this.#settleRow(row)));
    }
  }

  /** A row that cannot be logged is told of, and keeps nobody from starting. */
  async #settleRow(row: CertificateRow): Promise<void> {
    try {
      await this.#logRow(row);
    } catch (error) {
      this.#parts.log.error('a certificate that a crash left cannot be logged', { id: row.id, error });
    }
  }

  /**
   * One certificate a run. `reason` when none is given: the run is not valid, or its bracket asks for more.
   * @throws AttestRefused CLAIM_UNSUPPORTED, STATEMENT_BAD, KEY_NOT_FOUND
   */
  async certify(run: FinishedRun): Promise<Certified | { reason: string }> {
    const { store, clock, settings, signing } = this.#parts;
    const before = await certificateOfRun(store, run.id);
    if (before !== undefined) return this.#given(before);
    const input = statementOfRun(run, settings, clock.wall());
    if ('reason' in input) return input;
    const revoked = await this.revoker.revokedVerifier(input.labmesh.verifiers);
    if (revoked !== undefined) return { reason: `the word of ${revoked} was revoked: nothing is signed on it` };
    const issued = await signing.sign(input);
    const expires = issued.statement.predicate.labmesh.expires_at;
    const row = await insertCertificate(store, {
      id: input.labmesh.certificate_id,
      created_at: input.issuedAt,
      tenant: run.tenant,
      run_id: run.id,
      bundle: textOf(certificateFile(issued, undefined)),
      sha256: parseEntry(issued.entry).sha256,
      log_index: null,
      expires_at: expires === null ? null : Date.parse(expires),
      revoked_at: null,
      revoked_reason: null,
    });
    return this.#given(row);
  }

  /** Resolves when the certificate of a run is not on its way into the log any more. */
  async logged(runId: string): Promise<void> {
    await this.#logging.get(runId);
  }

  #given(row: CertificateRow): Certified {
    if (row.log_index === null && !this.#logging.has(row.run_id)) {
      const logging = this.#logRow(row)
        .then(() => undefined)
        .catch((error: unknown) => {
          this.#parts.log.error('a certificate is not logged yet: the next start tries again', { id: row.id, error });
        })
        .finally(() => this.#logging.delete(row.run_id));
      this.#logging.set(row.run_id, logging);
    }
    return certifiedOf(row);
  }

  /** The certificate as a JWS of at most 1 KiB. @throws AttestRefused TOO_LARGE, KEY_NOT_FOUND */
  summary({ bundle, log_index: index }: CertificateRow): Promise<string> {
    return this.#parts.signing.summary(parseBundle(utf8(bundle)).statement, index ?? undefined);
  }

  /** The keys that sign it, as a JWK set. */
  jwks(): ReturnType<SigningFolder['jwks']> {
    return this.#parts.signing.jwks();
  }

  async #logRow(row: CertificateRow): Promise<CertificateRow> {
    const { statement, salt } = parseBundle(utf8(row.bundle));
    const { certificate_id: id, issued_at: time } = statement.predicate.labmesh;
    const { index, tlogProof } = await this.#parts.signing.add({
      v: 1,
      kind: 'certificate',
      id,
      sha256: row.sha256,
      time,
    });
    const { dsse } = JSON.parse(row.bundle) as { dsse: EnvelopeJson };
    const bundle = textOf(bundleBytes({ dsse, tlogProof, salt, statement: statement as Json }));
    await setLogged(this.#parts.store, row.id, index, bundle);
    return { ...row, log_index: index, bundle };
  }
  /** Waits for what is on its way into the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#logging.values());
  }
}
