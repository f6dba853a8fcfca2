/** Authority and deny list for tests of what stands above them: rows as the real ones write, certificates only in name. */
import { createHash } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import { parseCsr } from '@labmesh/pki/csr';
import { spiffeId } from '@labmesh/pki/spiffe-id';
import type { Writer } from '@labmesh/store/store';
import { principalText } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { Issued, LeafRequest } from '../../ca/authority.ts';
import type { Denials } from '../end-logins.ts';
import type { LeafSource } from '../user-certificates.ts';

export const testDomain = 'lab.test';
export const testPin = `sha256:${'ab'.repeat(32)}`;

/** Issues by the contract: the same key of the same identity gets its live certificate again. */
export class FakeAuthority implements LeafSource {
  readonly #clock: Clock;
  issued = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  bundle() {
    return { pem: 'CA', digest: 'digest', pins: [testPin] };
  }

  async issueLeaf(tx: Writer, request: LeafRequest): Promise<Issued> {
    const now = this.#clock.wall();
    const { keyHash } = parseCsr(request.csrPem);
    const known = await tx
      .selectFrom('certificates')
      .selectAll()
      .where('key_hash', '=', keyHash)
      .where('subject_id', '=', request.id)
      .where('revoked_at', 'is', null)
      .where('not_after', '>', now)
      .executeTakeFirst();
    const row = known ?? this.#row(request, keyHash, now);
    if (known === undefined) await tx.insertInto('certificates').values(row).execute();
    const { id: serial, pem: certificatePem, not_before: notBefore, not_after: notAfter } = row;
    const renewAfter = notBefore + (notAfter - notBefore) / 2;
    return { serial, certificatePem, chainPem: 'CHAIN', caPem: 'CA', notBefore, notAfter, renewAfter, keyHash };
  }

  #row(request: LeafRequest, key_hash: string, now: number) {
    this.issued++;
    const id = createHash('sha256').update(`${key_hash}${this.issued}${now}`).digest('hex').slice(0, 32);
    return {
      id,
      created_at: now,
      identity: spiffeId(testDomain, request.kind, request.id),
      kind: request.kind,
      subject_id: request.id,
      name: request.name,
      key_hash,
      issuer_key: 'issuer',
      not_before: now,
      not_after: now + request.ttlMs,
      issued_by: principalText(request.issuedBy),
      revoked_at: null,
      pem: `CERTIFICATE ${id}`,
    };
  }
}

/** Writes `denials` as the real list does. */
export class FakeDenials implements Denials {
  readonly #clock: Clock;
  #version = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async deny(tx: Writer, kind: string, value: string, reason: string): Promise<void> {
    const version = ++this.#version;
    await tx
      .insertInto('denials')
      .values({ id: uuidv7(), created_at: this.#clock.wall(), kind, value, version, reason, lifted_at: null })
      .onConflict((on) => on.columns(['kind', 'value']).doUpdateSet({ lifted_at: null, reason, version }))
      .execute();
  }

  async lift(tx: Writer, kind: string, value: string): Promise<void> {
    await tx
      .updateTable('denials')
      .set({ lifted_at: this.#clock.wall(), version: ++this.#version })
      .where('kind', '=', kind)
      .where('value', '=', value)
      .execute();
  }
}
