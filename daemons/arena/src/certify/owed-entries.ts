/**
 * Revocations that the log does not tell of yet (verification CT7): the key of the log is in a service that did not sign, or the
 * process was killed between list and log. They are in a file of the issuer's folder before the list has them, so that a
 * crash loses none; what did not get onto the list is dropped from it.
 */
import { join } from 'node:path';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { type Revocation, revocationEntry, revocationSchema } from '@labmesh/attest/certificate/revocations';
import { canonicalBytes, type Json } from '@labmesh/attest/json/canonical-json';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { isKmsRefusal } from '@labmesh/attest/keys/kms';
import { readPrivate, writeWhole } from '@labmesh/attest/keys/private-file';
import type { Logger } from '@labmesh/kit/log';
import { z } from 'zod';

/** One more is refused. Each came in a body of at most 4 KiB. */
const owedMost = 1_024;
const fileBytesMost = 8_388_608;
const schema = z.strictObject({ version: z.literal(1), revocations: z.array(revocationSchema).max(owedMost) });

type Append = (entry: Uint8Array) => Promise<unknown>;

/** One is another's double when the log would say the same of both. */
const nameOf = (one: Revocation) => Buffer.from(revocationEntry(one)).toString('latin1');

export class OwedEntries {
  readonly #path: string;
  readonly #log: Logger;
  readonly #owed: Map<string, Revocation>;
  /** On their way onto the list: not to be judged by it. */
  readonly #busy = new Set<string>();
  #written: Promise<void> = Promise.resolve();

  private constructor(path: string, log: Logger, owed: readonly Revocation[]) {
    this.#path = path;
    this.#log = log;
    this.#owed = new Map(owed.map((one) => [nameOf(one), one]));
  }

  /** @param folder of the issuer @throws AttestRefused KEY_BAD when others can read it, JSON_BAD */
  static async open(folder: string, log: Logger): Promise<OwedEntries> {
    const path = join(folder, 'revocations-owed.json');
    const bytes = await readPrivate(path, fileBytesMost);
    if (bytes === undefined) return new OwedEntries(path, log, []);
    const parsed = schema.safeParse(parseJson(bytes, fileBytesMost));
    if (!parsed.success) throw new AttestRefused('JSON_BAD', `${path} holds no revocations; move it away`);
    return new OwedEntries(path, log, parsed.data.revocations);
  }

  /**
   * Has a revocation put onto the list, then appends its entry; what the service of the log's key does not sign is owed.
   * @throws AttestRefused LOG_BUSY, before anything is done; as `list`, and as `append` save KMS_…: the entry is owed then, too
   */
  async tell<T>(one: Revocation, list: () => Promise<T>, append: Append): Promise<T> {
    if (this.#owed.size >= owedMost) throw new AttestRefused('LOG_BUSY', `${owedMost} revocations wait to be logged`);
    const name = nameOf(one);
    this.#owed.set(name, one);
    this.#busy.add(name);
    try {
      await this.#write();
      const listed = await list();
      try {
        await append(revocationEntry(one));
        this.#owed.delete(name);
        await this.#write();
      } catch (error) {
        if (!isKmsRefusal(error)) throw error;
        this.#log.error('a revocation is on the list and not logged yet; it is tried again', { error });
      }
      return listed;
    } finally {
      this.#busy.delete(name);
    }
  }

  /**
   * Appends what is on the list, side by side for one checkpoint, and forgets the rest; what is refused is owed on.
   * @param listed what is revoked now; read after it is known what waits
   */
  async settle(listed: () => Promise<readonly Revocation[]>, append: Append): Promise<void> {
    const waiting = [...this.#owed].filter(([name]) => !this.#busy.has(name));
    if (waiting.length === 0) return;
    const names = new Set((await listed()).map(nameOf));
    const done = await Promise.allSettled(
      waiting.map(async ([name, one]) => {
        if (names.has(name)) await append(revocationEntry(one));
        this.#owed.delete(name);
      }),
    );
    await this.#write();
    const refused = done.find((one) => one.status === 'rejected');
    if (refused === undefined) return;
    const { reason: error } = refused;
    this.#log.error('revocations are not logged yet; it is tried again', { error, count: this.#owed.size });
  }

  /** One at a time, as it is then. */
  #write(): Promise<void> {
    const written = this.#written.then(() => {
      const document = { version: 1, revocations: [...this.#owed.values()] as unknown as Json[] };
      return writeWhole(this.#path, canonicalBytes(document));
    });
    this.#written = written.catch(() => {});
    return written;
  }
}
