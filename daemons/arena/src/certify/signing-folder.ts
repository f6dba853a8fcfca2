/** The issuer's folder in this process: keys, revocations, and the log with its one writer (verification CT4-CT7). */
import { join } from 'node:path';
import {
  type CertificateDraft,
  type IssuedCertificate,
  signDraft,
} from '@labmesh/attest/certificate/issue-certificate';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { isKmsRefusal } from '@labmesh/attest/keys/kms';
import { LogWriter } from '@labmesh/attest/log/log-writer';
import { type OpenLog, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { entryBytes, type LogEntry } from '@labmesh/attest/merkle/log-entry';
import { IssuerFiles, type IssuerFilesParts } from './issuer-files.ts';
import { SummarySigner } from './kms/summary-signer.ts';
import { OwedEntries } from './owed-entries.ts';

export type SigningOptions = IssuerFilesParts & {
  /** Name of a log that is made; undefined = after its key. */
  logOrigin: string | undefined;
  /** Between the first entry of a group and its checkpoint. */
  checkpointMs: number;
};

type Revocation = Parameters<IssuerFiles['revoke']>[0];

export class SigningFolder implements AsyncDisposable {
  readonly summaries: SummarySigner;
  readonly #options: SigningOptions;
  readonly #open: OpenLog;
  readonly #writer: LogWriter;
  readonly #files: IssuerFiles;
  readonly #entries: OwedEntries;
  #isListOwed = false;
  /** Also before the first look: a crash may have left a use without a key. */
  #areKeysOwed = true;

  private constructor(options: SigningOptions, files: IssuerFiles, open: OpenLog, entries: OwedEntries) {
    this.#options = options;
    this.#entries = entries;
    this.summaries = new SummarySigner(files, options.clock);
    this.#open = open;
    this.#files = files;
    this.#writer = new LogWriter({ log: open.log, checkpointMs: options.checkpointMs });
  }

  /**
   * Keys are made when there are none. A service that does not sign is no reason not to open what is there.
   * @throws AttestRefused LOG_LOCKED when another process has the log, LOG_DAMAGED, KEY_BAD; KMS_… when keys have to be made;
   * SecretsRefused
   */
  static async open(options: SigningOptions): Promise<SigningFolder> {
    const files = new IssuerFiles(options);
    const ring = await files.open(options.logOrigin);
    await using stack = new AsyncDisposableStack();
    const { origin, signer } = ring.log;
    const log = stack.use(await openLogFolder(join(options.keys.path, folderFiles.log), origin, signer));
    // Only who has the log: an arena that cannot run here leaves the keys to the one that does.
    await files.seal();
    const entries = await OwedEntries.open(options.keys.path, options.log);
    stack.move();
    const folder = new SigningFolder(options, files, log, entries);
    await folder.#succeed();
    await folder.renewRevocations();
    return folder;
  }

  /** The issuer's folder. */
  get path(): string {
    return this.#options.keys.path;
  }

  /** Where the service of its key does not sign, it is owed. @throws AttestRefused as IssuerFiles, save KMS_… */
  async renewRevocations(): Promise<void> {
    this.#isListOwed = false;
    try {
      await this.#files.renewRevocations();
    } catch (error) {
      if (!isKmsRefusal(error)) throw error;
      this.#isListOwed = true;
      this.#options.log.error('the revocation list cannot be signed; it is tried again', { error });
    }
  }

  /** Keys that were not made, the list that could not be signed, entries that the log lacks. @throws as renewRevocations */
  async renewOwed(): Promise<void> {
    if (this.#areKeysOwed) await this.#succeed();
    if (this.#isListOwed) await this.renewRevocations();
    await this.#entries.settle(
      () => this.revocations(),
      (entry) => this.append(entry),
    );
  }

  async #succeed(): Promise<void> {
    // Before it is tried: a key that is ended meanwhile says so anew.
    this.#areKeysOwed = false;
    try {
      await this.#files.succeed();
    } catch (error) {
      this.#areKeysOwed = true;
      if (!isKmsRefusal(error)) throw error;
      this.#options.log.error('no key follows the one that was ended; it is tried again', { error });
    }
  }

  /** What is revoked now. */
  revocations(): ReturnType<IssuerFiles['revocations']> {
    return this.#files.revocations();
  }

  /** By the key in force when it is issued. @throws AttestRefused KEY_NOT_FOUND, KMS_… */
  async sign(draft: CertificateDraft): Promise<IssuedCertificate> {
    const { issued_at: issuedAt } = draft.statement.predicate.labmesh;
    return await signDraft(draft, [await this.#files.signer(Date.parse(issuedAt))]);
  }

  /** Where the entry stands, and the proof of it. @throws AttestRefused LOG_BUSY, LOG_FAILED */
  async add(entry: LogEntry): Promise<{ index: number; tlogProof: string }> {
    const index = await this.#writer.add(entryBytes(entry));
    return { index, tlogProof: await this.#open.log.prove(index) };
  }

  /** Index of an entry that is bytes already. @throws AttestRefused TOO_LARGE, LOG_BUSY, LOG_FAILED */
  append(entry: Uint8Array): Promise<number> {
    return this.#writer.add(entry);
  }

  /**
   * The list cuts at once; the log tells of it, later where the service of its key does not sign now.
   * @throws AttestRefused as IssuerFiles; LOG_BUSY, LOG_FAILED: what is on the list by then is logged later
   */
  revoke(one: Revocation): ReturnType<IssuerFiles['revoke']> {
    const list = async () => {
      // A key is ended before anything that may fail: it may be without its successor.
      if (one.keyid !== undefined) this.#areKeysOwed = true;
      return await this.#files.revoke(one);
    };
    return this.#entries.tell(one, list, (entry) => this.append(entry));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
    this.#open[Symbol.dispose]();
  }
}
