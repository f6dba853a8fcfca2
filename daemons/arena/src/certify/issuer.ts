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
  runStateOf,
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

/** It may not have answered at all: each that asks would wait for it. */
const isAway = ({ code }: { code: string }) => code === 'KMS_AWAY';

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
  /** The service did not answer, and was not asked since: who comes now puts its draft beside the others, and waits for nothing. */
  #isAway = false;

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
    if (waiting !== undefined) return this.#isAway ? { reason: pending } : await this.#issue(this.#redated(waiting));
    const input = statementOfRun(run, settings, clock.wall());
    if ('reason' in input) return input;
    const draft = { runId: run.id, tenant: run.tenant, ...draftCertificate(input) };
    return this.#isAway ? await this.#keep(draft) : await this.#issue(draft);
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
    const { signing, log } = this.#parts;
    try {
      await signing.renewOwed().catch((error: unknown) => log.error('what the issuer owes is tried again', { error }));
      this.#isAway = await this.#issueWaiting();
    } finally {
      // Has a key of its own: it may sign while another does not.
      if (this.#log.owes) await this.#log.settle();
    }
  }

  /** Whether the service is away: for one is for all. One draft that fails otherwise keeps the others from nothing. */
  async #issueWaiting(): Promise<boolean> {
    const { drafts, log } = this.#parts;
    for await (const draft of drafts.all()) {
      try {
        await this.#issueLate(draft);
      } catch (error) {
        const { runId: run } = draft;
        log.error('a certificate that waits is not issued yet; it is tried again', { run, error });
        if (isKmsRefusal(error)) return isAway(error);
      }
    }
    return false;
  }

  async #issueLate(draft: Draft): Promise<void> {
    const { drafts, store, log } = this.#parts;
    const { runId: run } = draft;
    const state = await runStateOf(store, run);
    if (state === 'open') return;
    if (state === 'gone') {
      await drafts.remove(run);
      return log.warn('a certificate that waited is of a run that is gone: it is not issued', { run });
    }
    const before = await certificateOfRun(store, run);
    const said = before === undefined ? await this.#sign(this.#redated(draft)) : this.#given(before);
    // The draft goes last: whatever a crash leaves undone, it is found and done again.
    await setRunCertificate(store, run, said, pending);
    await drafts.remove(run);
    if ('reason' in said) log.warn('a certificate that waited is not issued', { run, reason: said.reason });
    else log.info('a certificate that waited is issued', { id: said.certificateId, waiting: drafts.size });
  }

  /** With the time of its signature: its claims are as old as `timeCreated` says. */
  #redated(draft: Draft): Draft {
    return { ...draft, ...redated(draft, this.#parts.clock.wall()) };
  }

  async #issue(draft: Draft): Promise<Certified | Uncertified> {
    try {
      const said = await this.#sign(draft);
      await this.#parts.drafts.remove(draft.runId);
      return said;
    } catch (error) {
      if (!isKmsRefusal(error)) throw error;
      this.#isAway ||= isAway(error);
      return await this.#keep(draft, error);
    }
  }

  /** @throws AttestRefused KMS_… */
  async #sign(draft: Draft): Promise<Certified | Uncertified> {
    const { store, signing } = this.#parts;
    const revoked = await this.revoker.revokedVerifier(draft.statement.predicate.labmesh.verifiers);
    if (revoked !== undefined) return { reason: `the word of ${revoked} was revoked: nothing is signed on it` };
    const issued = await signing.sign(draft);
    // Not when all are through that wait: those may be many, and the next runs need not join them.
    this.#isAway = false;
    return this.#given(await insertCertificate(store, rowOf(draft, issued)));
  }

  async #keep(draft: Draft, error?: unknown): Promise<Uncertified> {
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
    return this.#parts.signing.summaries.sign(parseBundle(utf8(bundle)).statement, index ?? undefined);
  }

  /** The keys that sign it, as a JWK set. */
  jwks(): ReturnType<RevokerParts['signing']['summaries']['jwks']> {
    return this.#parts.signing.summaries.jwks();
  }

  /** Waits for what is on its way: signatures that are being tried again, and the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#retrying?.catch(() => {});
    await this.#log[Symbol.asyncDispose]();
  }
}
