/**
 * Certificates that wait for their signature (verification CT5, CT6): the service that keeps the keys did not sign. A file each
 * in the issuer's folder, whole and synced, so that a crash loses none. It holds what the certificate will say and its salt:
 * digests, no text of prompt or answer.
 */
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import type { CertificateDraft } from '@labmesh/attest/certificate/issue-certificate';
import { canonicalBytes } from '@labmesh/attest/json/canonical-json';
import { parseJson } from '@labmesh/attest/json/parse-json';
import { readPrivate, writeWhole } from '@labmesh/attest/keys/private-file';
import { readStatement } from '@labmesh/attest/statement/statement';
import type { Logger } from '@labmesh/kit/log';
import { z } from 'zod';

export type Draft = CertificateDraft & { runId: string; tenant: string };

/** Certificates that may wait; one more is not issued. */
export const draftsMost = 10_000;
const draftBytesMost = 1_048_576;

const schema = z.strictObject({
  version: z.literal(1),
  run_id: z.string().min(1),
  tenant: z.string().min(1),
  salt: z.base64(),
  statement: z.json(),
});

/** Ids come from outside: none of it becomes a path. */
const nameOf = (runId: string) => `${new Bun.CryptoHasher('sha256').update(runId).digest('hex')}.json`;

export class DraftShelf {
  readonly #folder: string;
  readonly #log: Logger;
  /** Of the runs whose certificate waits. */
  readonly #names: Set<string>;

  /** @param folder of the issuer; the drafts are in one of their own below it, which is made with the first of them */
  constructor(folder: string, log: Logger) {
    this.#folder = join(folder, 'drafts');
    this.#log = log;
    const found = existsSync(this.#folder) ? readdirSync(this.#folder) : [];
    this.#names = new Set(found.filter((name) => /^[0-9a-f]{64}\.json$/.test(name)));
  }

  get size(): number {
    return this.#names.size;
  }

  has(runId: string): boolean {
    return this.#names.has(nameOf(runId));
  }

  /** undefined when it has none. @throws AttestRefused KEY_BAD when others can read it, JSON_BAD, STATEMENT_BAD */
  async find(runId: string): Promise<Draft | undefined> {
    return this.has(runId) ? await this.#read(nameOf(runId)) : undefined;
  }

  /** All that wait, one at a time. One that cannot be read is told of, and keeps the others from nothing. */
  async *all(): AsyncGenerator<Draft> {
    for (const name of [...this.#names].toSorted()) {
      const draft = await this.#read(name).catch((error: unknown) => {
        this.#log.error('a certificate that waits cannot be read', { file: name, error });
      });
      if (draft !== undefined) yield draft;
    }
  }

  /** False when as many wait as may. A draft that is there stays as it is. */
  async keep({ runId, tenant, salt, statement }: Draft): Promise<boolean> {
    const name = nameOf(runId);
    if (this.#names.has(name)) return true;
    if (this.#names.size >= draftsMost) return false;
    this.#names.add(name);
    const document = { version: 1, run_id: runId, tenant, salt: Buffer.from(salt).toString('base64'), statement };
    try {
      await writeWhole(join(this.#folder, name), canonicalBytes(document));
    } catch (error) {
      this.#names.delete(name);
      throw error;
    }
    return true;
  }

  async remove(runId: string): Promise<void> {
    const name = nameOf(runId);
    if (!this.#names.delete(name)) return;
    await rm(join(this.#folder, name), { force: true });
  }

  async #read(name: string): Promise<Draft | undefined> {
    const bytes = await readPrivate(join(this.#folder, name), draftBytesMost);
    if (bytes === undefined) return undefined;
    const parsed = schema.safeParse(parseJson(bytes));
    if (!parsed.success) throw new AttestRefused('JSON_BAD', `drafts/${name} is no certificate that waits`);
    const { run_id: runId, tenant, salt, statement } = parsed.data;
    // By its name it would be found, and taken off the shelf, as another's.
    if (nameOf(runId) !== name) throw new AttestRefused('JSON_BAD', `drafts/${name} is of a run with another name`);
    return { runId, tenant, salt: Uint8Array.fromBase64(salt), statement: readStatement(statement) };
  }
}
