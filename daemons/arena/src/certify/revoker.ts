/** Who takes back what was signed (verification CT7): a tenant one certificate of its own, the issuer whatever it says. */
import { parseBundle } from '@labmesh/attest/certificate/bundle';
import type { Revocation, RevocationReason } from '@labmesh/attest/certificate/revocations';
import type { Revoked } from '@labmesh/attest/certificate/revoke-in-folder';
import { revocationOf } from '@labmesh/attest/certificate/standing';
import type { EnvelopeJson } from '@labmesh/attest/dsse/envelope';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import { anyCertificate, type CertificateRow, countOf, setRevoked, standingWith } from './certificate-rows.ts';
import type { SigningFolder } from './signing-folder.ts';

export type RevokerParts = { signing: SigningFolder; store: Store; clock: Clock; log: Logger };

/** Rows in memory at a time. */
const rowsAtOnce = 200;

/** What of a row says whether it was revoked. */
export type RevocableRow = Pick<CertificateRow, 'bundle' | 'log_index' | 'revoked_reason'>;

export class Revoker {
  /** Told when something was revoked, and of which tenant; undefined = of any. It may not throw. */
  onRevoked: (tenant: string | undefined, certificateId: string | null) => void = () => {};
  readonly #parts: RevokerParts;

  constructor(parts: RevokerParts) {
    this.#parts = parts;
  }

  /** What stands on the list now. @throws AttestRefused when list or keys are not ours; SecretsRefused */
  listed(): ReturnType<SigningFolder['revocations']> {
    return this.#parts.signing.revocations();
  }

  /**
   * By its tenant. The list is everybody's to read: who revoked is told to our own log alone.
   * @param key id of the key that asked
   * @throws AttestRefused REVOCATIONS_BAD, LOG_BUSY, LOG_FAILED, LOG_LOCKED
   */
  async revoke(row: CertificateRow, reason: RevocationReason, key: string): Promise<void> {
    const { clock, log, store } = this.#parts;
    const now = clock.wall();
    const time = new Date(now).toISOString();
    await this.#list({ certificate_id: row.id, reason, time, by: 'its tenant' });
    await setRevoked(store, row.id, now, reason);
    this.onRevoked(row.tenant, row.id);
    log.info('a certificate was revoked', { id: row.id, reason, tenant: row.tenant, key });
  }

  /**
   * By the issuer: a certificate of any tenant, by its id or its run's, a key, or all that a verifier said. Undefined for a
   * certificate that is not there: on the list its id would cut nothing. One that is revoked stays as it was.
   * @throws AttestRefused KEY_NOT_FOUND for a key that is none of ours, and as above
   */
  async revokeAny(one: Revocation): Promise<Revoked | undefined> {
    const { clock, log, store } = this.#parts;
    const { certificate_id: id, keyid, verifier_digest: verifier, reason, by } = one;
    const row = id === undefined ? undefined : await anyCertificate(store, id);
    if (id !== undefined && row === undefined) return undefined;
    if (typeof row?.revoked_at === 'number') return { next: null };
    const revoked = await this.#list(row === undefined ? one : { ...one, certificate_id: row.id });
    if (row !== undefined) await setRevoked(store, row.id, clock.wall(), reason);
    else await this.#mark(one);
    this.onRevoked(row?.tenant, row?.id ?? null);
    log.info('the issuer revoked', { certificate: row?.id, keyid, verifier, reason, by, ...revoked });
    return revoked;
  }

  /** Marks what stands on the list, by a `labctl` beside a stopped arena or from before a crash. Once, at the start. */
  async settle(): Promise<void> {
    const { signing, store } = this.#parts;
    for (const one of await signing.revocations()) {
      if (one.certificate_id === undefined) await this.#mark(one);
      else await setRevoked(store, one.certificate_id, Date.parse(one.time), one.reason);
    }
  }

  /** What came onto the list holds, also when it did not get into the log. */
  async #list(one: Revocation): Promise<Revoked> {
    try {
      return await this.#parts.signing.revoke(one);
    } catch (error) {
      await this.settle();
      throw error;
    }
  }

  /** Name of a verifier whose every word was taken back; undefined when none of these is. */
  async revokedVerifier(verifiers: readonly { name: string; digest: string }[]): Promise<string | undefined> {
    const listed = await this.listed();
    const digests = new Set(listed.flatMap((one) => one.verifier_digest ?? []));
    return verifiers.find(({ digest }) => digests.has(digest))?.name;
  }

  /** How many certificates of a tenant stand on the list by themselves. */
  async ownCount(tenant: string): Promise<number> {
    const listed = await this.listed();
    return await countOf(
      this.#parts.store,
      tenant,
      listed.flatMap((one) => one.certificate_id ?? []),
    );
  }

  /** Rows that a key or a verifier takes with it, so that no run is told a second time as valid. */
  async #mark(one: Revocation): Promise<void> {
    const { clock, store } = this.#parts;
    const [name, digest = ''] = one.keyid === undefined ? ['digest', one.verifier_digest] : ['keyid', one.keyid];
    // Digests alone are in bundles, and nothing else may become a pattern.
    if (!/^[0-9a-f]{64}$/.test(digest)) return;
    for (let after = ''; ;) {
      const rows = await standingWith(store, `"${name}":"${digest}"`, after, rowsAtOnce);
      for (const row of rows) {
        const hit = revocationOf({ revocations: [one] }, revocableOf(row));
        if (hit !== undefined) await setRevoked(store, row.id, clock.wall(), one.reason);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < rowsAtOnce) return;
      after = last.id;
    }
  }

  /** Why certificates are revoked now, by their rows; null of one that is not. */
  async reasons(): Promise<(row: RevocableRow) => string | null> {
    const listed = await this.listed();
    // Of certificates that are revoked one by one the rows know, and most lists hold nothing else.
    const revocations = listed.filter((one) => one.certificate_id === undefined);
    if (revocations.length === 0) return (row) => row.revoked_reason;
    return (row) => row.revoked_reason ?? revocationOf({ revocations }, revocableOf(row))?.reason ?? null;
  }
}

/** As a verifier sees it: which keys signed, what it names, when it was logged. */
function revocableOf({ bundle, log_index: index }: RevocableRow): Parameters<typeof revocationOf>[1] {
  const { statement } = parseBundle(new TextEncoder().encode(bundle));
  const { dsse } = JSON.parse(bundle) as { dsse: EnvelopeJson };
  return {
    statement,
    keyids: dsse.signatures.map(({ keyid }) => keyid),
    loggedAt: index === null ? undefined : Date.parse(statement.predicate.labmesh.issued_at),
  };
}
