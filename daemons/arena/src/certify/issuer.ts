/**
 * Certificates of valid runs (verification CT3-CT7). A run has one certificate, however often it is asked for. It is given
 * out once it is signed and written; the log's next checkpoint holds it, within 2 s. Until then it says that it is pending
 * by having no proof; what a crash leaves in between is logged at the next start.
 *
 * Where the keys are in a service that does not sign now, the certificate waits as a draft and is issued when it does: no run is
 * held up for it, and none loses it.
 */
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import {
  certificateFile,
  draftCertificate,
  type IssuedCertificate,
  redated,
} from '@labmesh/attest/certificate/issue-certificate';
import { isKmsRefusal } from '@labmesh/attest/keys/kms';
import { sandboxLevels } from '@labmesh/wire/verification/sandbox';
import type { Certified, FinishedRun } from '../contract/finished-run.ts';
import { CertificateLog } from './certificate-log.ts';
import {
  certificateOfRun,
  type CertificateRow,
  insertCertificate,
  isRunOpen,
  setRunCertificate,
} from './certificate-rows.ts';
import { type Draft, type DraftShelf, draftsMost } from './draft-shelf.ts';
import { Revoker, type RevokerParts } from './revoker.ts';
import { type IssuerSettings, statementOfRun, type Uncertified } from './statement-of-run.ts';

export type IssuerParts = RevokerParts & { settings: IssuerSettings; drafts: DraftShelf };

/** As the run's report says it to the client. */
const pending = 'the certificate is pending: the service that signs does not answer; ask for it later';
const isolationHead = 'LABMESH_ISOLATION_L';
const utf8 = (text: string) => new TextEncoder().encode(text);

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

function rowOf({ runId, tenant }: Draft, issued: IssuedCertificate): Omit<CertificateRow, 'revision'> {
  const { certificate_id: id, issued_at, expires_at } = issued.statement.predicate.labmesh;
  return {
    id,
    created_at: Date.parse(issued_at),
    tenant,
    run_id: runId,
    bundle: new TextDecoder().decode(certificateFile(issued, undefined)),
    sha256: issued.sha256,
    log_index: null,
    expires_at: expires_at === null ? null : Date.parse(expires_at),
    revoked_at: null,
    revoked_reason: null,
  };
}

export class Issuer implements AsyncDisposable {
  /** Who takes back what it signed. */
  readonly revoker: Revoker;
  readonly #parts: IssuerParts;
  readonly #log: CertificateLog;
  #retrying: Promise<void> | undefined;

  constructor(parts: IssuerParts) {
    this.#parts = parts;
    this.revoker = new Revoker(parts);
    this.#log = new CertificateLog(parts);
  }

  /** Logs what a crash left between signature and log, and marks what was revoked meanwhile. Once, at the start. */
  async settle(): Promise<void> {
    await this.revoker.settle();
    await this.#log.settle();
  }

  /**
   * One certificate a run. `reason` when none is given: the run is not valid, its bracket asks for more, or the certificate
   * waits for the service that signs.
   * @throws AttestRefused CLAIM_UNSUPPORTED, STATEMENT_BAD, KEY_NOT_FOUND
   */
  async certify(run: FinishedRun): Promise<Certified | Uncertified> {
    const { store, clock, settings, drafts } = this.#parts;
    const before = await certificateOfRun(store, run.id);
    if (before !== undefined) return this.#given(before);
    const waiting = await drafts.find(run.id);
    if (waiting !== undefined) return await this.#issueLate(waiting);
    const input = statementOfRun(run, settings, clock.wall());
    if ('reason' in input) return input;
    return await this.#issue({ runId: run.id, tenant: run.tenant, ...draftCertificate(input) });
  }

  /** Its certificate waits for the service that signs. */
  isWaiting(runId: string): boolean {
    return this.#parts.drafts.has(runId);
  }

  /** Issues what waits, and logs what could not be; one at a time. What fails again waits on. */
  async retry(): Promise<void> {
    this.#retrying ??= this.#retryAll().finally(() => (this.#retrying = undefined));
    await this.#retrying;
  }

  async #retryAll(): Promise<void> {
    const { signing, drafts, store, log } = this.#parts;
    await signing.renewOwed();
    for await (const draft of drafts.all()) {
      if (await isRunOpen(store, draft.runId)) continue;
      const certified = await this.#issueLate(draft);
      if ('reason' in certified) {
        // Away for one is away for all; what can never be issued is off the shelf.
        if (drafts.has(draft.runId)) return;
        continue;
      }
      await setRunCertificate(store, draft.runId, certified, pending);
      log.info('a certificate that waited is issued', { id: certified.certificateId, waiting: drafts.size });
    }
    if (this.#log.owes) await this.#log.settle();
  }

  /** With the time of its signature: its claims are as old as `timeCreated` says. */
  #issueLate(draft: Draft): Promise<Certified | Uncertified> {
    return this.#issue({ ...draft, ...redated(draft, this.#parts.clock.wall()) });
  }

  async #issue(draft: Draft): Promise<Certified | Uncertified> {
    const { store, signing, drafts } = this.#parts;
    const revoked = await this.revoker.revokedVerifier(draft.statement.predicate.labmesh.verifiers);
    if (revoked !== undefined) {
      await drafts.remove(draft.runId);
      return { reason: `the word of ${revoked} was revoked: nothing is signed on it` };
    }
    let issued: IssuedCertificate;
    try {
      issued = await signing.sign(draft);
    } catch (error) {
      if (!isKmsRefusal(error)) throw error;
      return await this.#keep(draft, error);
    }
    const row = await insertCertificate(store, rowOf(draft, issued));
    await drafts.remove(draft.runId);
    return this.#given(row);
  }

  async #keep(draft: Draft, error: unknown): Promise<Uncertified> {
    const { drafts, log } = this.#parts;
    const kept = await drafts.keep(draft);
    const text = kept
      ? 'a certificate waits for the service that signs'
      : `${draftsMost} certificates wait; one is lost`;
    log.error(text, { run: draft.runId, error });
    if (!kept) return { reason: 'no certificate: too many wait for the service that signs' };
    return { reason: pending };
  }

  /** Resolves when the certificate of a run is not on its way into the log any more. */
  async logged(runId: string): Promise<void> {
    await this.#log.logged(runId);
  }

  #given(row: CertificateRow): Certified {
    this.#log.add(row);
    return certifiedOf(row);
  }

  /** The certificate as a JWS of at most 1 KiB. @throws AttestRefused TOO_LARGE, KEY_NOT_FOUND, KMS_… */
  summary({ bundle, log_index: index }: CertificateRow): Promise<string> {
    return this.#parts.signing.summary(parseBundle(utf8(bundle)).statement, index ?? undefined);
  }

  /** The keys that sign it, as a JWK set. */
  jwks(): ReturnType<RevokerParts['signing']['jwks']> {
    return this.#parts.signing.jwks();
  }

  /** Waits for what is on its way: signatures that are being tried again, and the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retrying?.catch(() => {});
    await this.#log[Symbol.asyncDispose]();
  }
}
