/**
 * The revocation lists (CA-9): one for each intermediate whose key is still here, signed each hour by whoever holds the
 * lease, kept in the settings so that every replica serves the same. The deny list is what cuts; these are for others.
 */
import { crlLabel, createCrl, type RevokedSerial } from '@labmesh/pki/issue/create-crl';
import { readPem } from '@labmesh/pki/der/pem';
import type { Reader, Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { z } from 'zod';
import type { CaOptions } from './ca-options.ts';
import type { CaState, Signer } from './keys/ca-state.ts';

const prefix = 'ca.crl.';
const pageRows = 500;
const who = system('sign-crl');

const storedSchema = z.object({
  number: z.number(),
  /** Unix ms. */
  thisUpdate: z.number(),
  nextUpdate: z.number(),
  pem: z.string(),
});
export type StoredCrl = z.infer<typeof storedSchema>;

/** DER of the list of the intermediate that signs now; PEM of all. Times in Unix ms. */
export type RevocationList = { der: Uint8Array; pem: string; thisUpdate: number; nextUpdate: number };

/** The lists by the row id of their intermediate. */
export async function readCrls(db: Reader): Promise<Map<string, StoredCrl>> {
  const rows = await db.selectFrom('settings').selectAll().where('key', 'like', `${prefix}%`).execute();
  return new Map(rows.map(({ key, value }) => [key.slice(prefix.length), storedSchema.parse(JSON.parse(value))]));
}

/** What is revoked and not over yet; an expired certificate needs no list. By pages, so that nothing waits long. */
async function revokedBy(store: Store, issuerKey: string, now: number): Promise<RevokedSerial[]> {
  const found: RevokedSerial[] = [];
  let after = '';
  for (;;) {
    const page = await store.read(who, (db) =>
      db
        .selectFrom('certificates')
        .select(['id', 'revoked_at'])
        .where('issuer_key', '=', issuerKey)
        .where('revoked_at', 'is not', null)
        .where('not_after', '>', now)
        .where('id', '>', after)
        .orderBy('id')
        .limit(pageRows)
        .execute(),
    );
    found.push(...page.map(({ id, revoked_at }) => ({ serial: id, revokedAt: revoked_at ?? now })));
    const last = page.at(-1);
    if (last === undefined || page.length < pageRows) return found;
    after = last.id;
  }
}

async function signOne(store: Store, signer: Signer, number: number, now: number, lifeMs: number): Promise<void> {
  const revoked = await revokedBy(store, signer.certificate.keyHash, now);
  const times = { thisUpdate: now, nextUpdate: now + lifeMs };
  const { pem } = await createCrl({ issuer: signer, number, ...times, revoked });
  const row = { value: JSON.stringify({ number, ...times, pem } satisfies StoredCrl), updated_at: now };
  await store.write(who, (tx) =>
    tx
      .insertInto('settings')
      .values({ key: `${prefix}${signer.id}`, ...row })
      .onConflict((on) => on.column('key').doUpdateSet(row))
      .execute(),
  );
}

/** Signs the lists that are due. True when one was. The caller holds the lease; two at once do no harm. */
export async function signCrls(store: Store, state: CaState, options: CaOptions, now: number): Promise<boolean> {
  const stored = await store.read(who, readCrls);
  let isChanged = false;
  for (const signer of state.signers.values()) {
    const old = stored.get(signer.id);
    // A clock that went back would keep an old list for as long again.
    const isFresh = old !== undefined && Math.abs(now - old.thisUpdate) < options.crlEveryMs;
    if (isFresh || signer.certificate.notAfter <= now) continue;
    await signOne(store, signer, (old?.number ?? 0) + 1, now, options.crlLifeMs);
    isChanged = true;
  }
  return isChanged;
}

/**
 * What to serve: first the list of the intermediate that signs now; until it has one, that of the one before.
 * Undefined before any list was signed.
 */
export function servedCrl(crls: ReadonlyMap<string, StoredCrl>, activeId: string): RevocationList | undefined {
  const newestFirst = [...crls].toSorted(([, a], [, b]) => b.thisUpdate - a.thisUpdate);
  const first = newestFirst.find(([id]) => id === activeId) ?? newestFirst[0];
  const block = first === undefined ? undefined : readPem(first[1].pem).find(({ label }) => label === crlLabel);
  if (first === undefined || block === undefined) return undefined;
  const [firstId, { pem, thisUpdate, nextUpdate }] = first;
  const others = newestFirst.flatMap(([id, other]) => (id === firstId ? [] : [other.pem]));
  return { der: block.der, pem: [pem, ...others].join(''), thisUpdate, nextUpdate };
}
