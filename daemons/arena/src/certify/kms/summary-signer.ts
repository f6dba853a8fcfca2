/**
 * Certificates in brief (verification CT5), each signed once and kept: whoever reads asks as often as they like, and a service
 * that keeps the key is not asked each time. What must not wait for readers, certificates and log, has the other places of
 * the calls to it.
 */
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { jwksOf, summaryJws } from '@labmesh/attest/certificate/summary-jws';
import { isKmsSigner } from '@labmesh/attest/keys/kms';
import type { Clock } from '@labmesh/kit/clock';
import type { IssuerFiles } from '../issuer-files.ts';

export const summaryLimits = {
  /** The oldest makes room; at most 1 KiB each. */
  kept: 1_024,
  /** That a service signs at a time, of its 64 calls; one more is refused. */
  atOnce: 16,
} as const;

type Statement = Parameters<typeof summaryJws>[0];

export class SummarySigner {
  readonly #files: Pick<IssuerFiles, 'signer' | 'trust'>;
  readonly #clock: Clock;
  readonly #kept = new Map<string, Promise<string>>();
  #asked = 0;

  constructor(files: Pick<IssuerFiles, 'signer' | 'trust'>, clock: Clock) {
    this.#files = files;
    this.#clock = clock;
  }

  /** By the key in force now. @throws AttestRefused TOO_LARGE, KEY_NOT_FOUND, KMS_…; KMS_AWAY also when too many are signed */
  async sign(statement: Statement, logIndex: number | undefined): Promise<string> {
    const signer = await this.#files.signer(this.#clock.wall());
    const id = statement.predicate.labmesh.certificate_id;
    // Another key after a rotation, or after one that was stolen: what that signed is not given out any more.
    const name = JSON.stringify([signer.publicKey.keyid, id, logIndex ?? null]);
    const kept = this.#kept.get(name);
    if (kept !== undefined) return await kept;
    const isFar = isKmsSigner(signer);
    if (isFar && this.#asked >= summaryLimits.atOnce) {
      throw new AttestRefused('KMS_AWAY', `${summaryLimits.atOnce} summaries are being signed`);
    }
    if (isFar) this.#asked++;
    const signed = summaryJws(statement, signer, logIndex).finally(() => {
      if (isFar) this.#asked--;
    });
    this.#keep(name, signed);
    return await signed;
  }

  /** What was not signed is asked for again. */
  #keep(name: string, signed: Promise<string>): void {
    this.#kept.set(name, signed);
    signed.catch(() => this.#kept.delete(name));
    const [oldest = name] = this.#kept.keys();
    if (this.#kept.size > summaryLimits.kept) this.#kept.delete(oldest);
  }

  /** The keys that sign summaries. */
  async jwks(): Promise<ReturnType<typeof jwksOf>> {
    return jwksOf(await this.#files.trust());
  }
}
