/** The issuer's folder in this process: keys, revocations, and the log with its one writer (verification CT4-CT7). */
import { join } from 'node:path';
import {
  type CertificateInput,
  issueCertificate,
  type IssuedCertificate,
} from '@labmesh/attest/certificate/issue-certificate';
import { writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import { type Revocation, revocationEntry } from '@labmesh/attest/certificate/revocations';
import { jwksOf, summaryJws } from '@labmesh/attest/certificate/summary-jws';
import { folderFiles, openKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, trustOf } from '@labmesh/attest/keys/key-ring';
import type { Statement } from '@labmesh/attest/statement/statement-schema';
import { LogWriter } from '@labmesh/attest/log/log-writer';
import { type OpenLog, openLogFolder } from '@labmesh/attest/log/open-log-folder';
import { entryBytes, type LogEntry } from '@labmesh/attest/merkle/log-entry';
import type { Clock } from '@labmesh/kit/clock';

export type SigningOptions = {
  /** `attest` in the data folder, as `labctl cert` knows it. */
  folder: string;
  /** Name of a log that is made; undefined = after its key. */
  logOrigin: string | undefined;
  /** Between the first entry of a group and its checkpoint. */
  checkpointMs: number;
  clock: Clock;
};

export class SigningFolder implements AsyncDisposable {
  readonly #options: SigningOptions;
  readonly #open: OpenLog;
  readonly #writer: LogWriter;
  /** The last write of the list. */
  #listed: Promise<void> = Promise.resolve();

  private constructor(options: SigningOptions, open: OpenLog) {
    this.#options = options;
    this.#open = open;
    this.#writer = new LogWriter({ log: open.log, checkpointMs: options.checkpointMs });
  }

  /** Keys are made when there are none. @throws AttestRefused LOG_LOCKED when another process has the log, LOG_DAMAGED */
  static async open(options: SigningOptions): Promise<SigningFolder> {
    const ring = await openKeyRing(options.folder, options.clock.wall(), options.logOrigin);
    const log = await openLogFolder(join(options.folder, folderFiles.log), ring.log.origin, ring.log.signer);
    const signing = new SigningFolder(options, log);
    await signing.renewRevocations();
    return signing;
  }

  /** A list is good for 24 h: without a fresh one nobody can tell whether a certificate still stands. */
  async renewRevocations(): Promise<void> {
    await this.#writeList([]);
  }

  /** The list is read, added to and written anew: two at once would lose what one of them added. */
  #writeList(added: readonly Revocation[]): Promise<void> {
    const { folder, clock } = this.#options;
    const written = this.#listed.then(async () => {
      await writeRevocations(folder, await this.#ring(), clock.wall(), added);
    });
    this.#listed = written.catch(() => {});
    return written;
  }

  // Read each time: a rotation from the command line counts at once.
  #ring = () => openKeyRing(this.#options.folder, this.#options.clock.wall());

  /** @throws AttestRefused CLAIM_UNSUPPORTED, STATEMENT_BAD, KEY_NOT_FOUND */
  async sign(input: CertificateInput): Promise<IssuedCertificate> {
    return await issueCertificate(input, [keyInForce(await this.#ring(), 'certificate', input.issuedAt).signer]);
  }

  /** In brief, signed by the key in force now. @throws AttestRefused TOO_LARGE, KEY_NOT_FOUND */
  async summary(statement: Statement, logIndex: number | undefined): Promise<string> {
    const { signer } = keyInForce(await this.#ring(), 'certificate', this.#options.clock.wall());
    return await summaryJws(statement, signer, logIndex);
  }

  /** The keys that sign summaries. */
  async jwks(): Promise<ReturnType<typeof jwksOf>> {
    return jwksOf(trustOf(await this.#ring()));
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

  /** The list cuts at once; the log tells of it. @throws AttestRefused REVOCATIONS_BAD, LOG_BUSY, LOG_FAILED */
  async revoke(one: Revocation): Promise<void> {
    await this.#writeList([one]);
    await this.#writer.add(revocationEntry(one));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]();
    this.#open[Symbol.dispose]();
  }
}
