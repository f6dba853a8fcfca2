/** The issuer's folder in this process: keys, revocations, and the log with its one writer (verification CT4-CT7). */
import { join } from 'node:path';
import {
  type CertificateInput,
  issueCertificate,
  type IssuedCertificate,
} from '@labmesh/attest/certificate/issue-certificate';
import { type Revocation, revocationEntry } from '@labmesh/attest/certificate/revocations';
import { jwksOf, summaryJws } from '@labmesh/attest/certificate/summary-jws';
import { folderFiles } from '@labmesh/attest/keys/key-folder';
import { LogWriter } from '@labmesh/attest/log/log-writer';
import { type OpenLog, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { entryBytes, type LogEntry } from '@labmesh/attest/merkle/log-entry';
import { IssuerFiles, type IssuerFilesParts } from './issuer-files.ts';

export type SigningOptions = IssuerFilesParts & {
  /** Name of a log that is made; undefined = after its key. */
  logOrigin: string | undefined;
  /** Between the first entry of a group and its checkpoint. */
  checkpointMs: number;
};

export class SigningFolder implements AsyncDisposable {
  readonly #options: SigningOptions;
  readonly #open: OpenLog;
  readonly #writer: LogWriter;
  readonly #files: IssuerFiles;

  private constructor(options: SigningOptions, files: IssuerFiles, open: OpenLog) {
    this.#options = options;
    this.#open = open;
    this.#files = files;
    this.#writer = new LogWriter({ log: open.log, checkpointMs: options.checkpointMs });
  }

  /**
   * Keys are made when there are none.
   * @throws AttestRefused LOG_LOCKED when another process has the log, LOG_DAMAGED, KEY_BAD; SecretsRefused
   */
  static async open(options: SigningOptions): Promise<SigningFolder> {
    const files = new IssuerFiles(options);
    const ring = await files.open(options.logOrigin);
    await using stack = new AsyncDisposableStack();
    const { origin, signer } = ring.log;
    const log = stack.use(await openLogFolder(join(options.keys.path, folderFiles.log), origin, signer));
    // Only who has the log: an arena that cannot run here leaves the keys to the one that does.
    await files.seal();
    await files.renewRevocations();
    stack.move();
    return new SigningFolder(options, files, log);
  }

  async renewRevocations(): Promise<void> {
    await this.#files.renewRevocations();
  }

  /** What is revoked now. */
  revocations(): ReturnType<IssuerFiles['revocations']> {
    return this.#files.revocations();
  }

  /** @throws AttestRefused CLAIM_UNSUPPORTED, STATEMENT_BAD, KEY_NOT_FOUND */
  async sign(input: CertificateInput): Promise<IssuedCertificate> {
    return await issueCertificate(input, [await this.#files.signer(input.issuedAt)]);
  }

  /** In brief, signed by the key in force now. @throws AttestRefused TOO_LARGE, KEY_NOT_FOUND */
  async summary(statement: Parameters<typeof summaryJws>[0], logIndex: number | undefined): Promise<string> {
    return await summaryJws(statement, await this.#files.signer(this.#options.clock.wall()), logIndex);
  }

  /** The keys that sign summaries. */
  async jwks(): Promise<ReturnType<typeof jwksOf>> {
    return jwksOf(await this.#files.trust());
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

  /** The list cuts at once; the log tells of it. @throws AttestRefused as IssuerFiles; LOG_BUSY, LOG_FAILED */
  async revoke(one: Revocation): ReturnType<IssuerFiles['revoke']> {
    const revoked = await this.#files.revoke(one);
    await this.#writer.add(revocationEntry(one));
    return revoked;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
    this.#open[Symbol.dispose]();
  }
}
