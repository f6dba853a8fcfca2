/** The CA in the store: its keys (table ca_keys) and one settings row that says where a rotation stands. */
import { readCertificate, type Certificate } from '@labmesh/pki/der/read-certificate';
import { readPem } from '@labmesh/pki/der/pem';
import type { Reader, Writer } from '@labmesh/store/store';
import { z } from 'zod';

/** CA-10. A rollback leads straight back to standby. */
export const caPhases = ['standby', 'init', 'update_clients', 'update_servers'] as const;
export type CaPhase = (typeof caPhases)[number];

export type CaRole = 'root' | 'intermediate' | 'cross';
/** next: of a rotation or a renewal under way. previous: still trusted by labd, signs no leaf. */
export type KeyPhase = 'active' | 'next' | 'previous' | 'destroyed';

const metaSchema = z.object({
  /** Rises with each change of anything here: replicas look at it each second. */
  version: z.number(),
  phase: z.enum(caPhases),
  /** Unix ms at which the phase began. */
  since: z.number(),
  trustDomain: z.string(),
  rootMode: z.enum(['local', 'offline']),
  /** Unix ms since when a key is `previous`, by row id. */
  previousSince: z.record(z.string(), z.number()),
});
export type CaMeta = z.infer<typeof metaSchema>;

export type CaKey = {
  id: string;
  createdAt: number;
  role: CaRole;
  phase: KeyPhase;
  /** PKCS#8, sealed; null when destroyed, kept offline, or (cross) never ours to hold. */
  sealedKey: string | null;
  /** A certificate; for an intermediate that waits for the offline root its request. */
  pem: string;
  /** Undefined while it waits. */
  certificate: Certificate | undefined;
  notAfter: number;
  keyHash: string;
};

export type CaRows = { meta: CaMeta; keys: readonly CaKey[] };

const metaKey = 'ca.state';

export async function readMeta(db: Reader): Promise<CaMeta | undefined> {
  const row = await db.selectFrom('settings').select('value').where('key', '=', metaKey).executeTakeFirst();
  return row === undefined ? undefined : metaSchema.parse(JSON.parse(row.value));
}

function certificateIn(pem: string): Certificate | undefined {
  const block = readPem(pem).find(({ label }) => label === 'CERTIFICATE');
  return block === undefined ? undefined : readCertificate(block.der);
}

/** Everything, oldest key first; undefined before the first start. */
export async function readCa(db: Reader): Promise<CaRows | undefined> {
  const meta = await readMeta(db);
  if (meta === undefined) return undefined;
  const rows = await db.selectFrom('ca_keys').selectAll().orderBy('created_at').orderBy('id').execute();
  const keys = rows.map((row) => ({
    id: row.id,
    createdAt: row.created_at,
    role: row.role as CaRole,
    phase: row.phase as KeyPhase,
    sealedKey: row.sealed_key,
    pem: row.pem,
    certificate: certificateIn(row.pem),
    notAfter: row.not_after,
    keyHash: row.key_hash,
  }));
  return { meta, keys };
}

/** Writes the state with the next version. */
export async function writeMeta(tx: Writer, meta: CaMeta, now: number): Promise<void> {
  const row = { value: JSON.stringify({ ...meta, version: meta.version + 1 }), updated_at: now };
  await tx
    .insertInto('settings')
    .values({ key: metaKey, ...row })
    .onConflict((on) => on.column('key').doUpdateSet(row))
    .execute();
}

export async function insertKeys(tx: Writer, keys: readonly CaKey[]): Promise<void> {
  for (const key of keys) {
    await tx
      .insertInto('ca_keys')
      .values({
        id: key.id,
        created_at: key.createdAt,
        role: key.role,
        phase: key.phase,
        sealed_key: key.sealedKey,
        pem: key.pem,
        not_after: key.notAfter,
        key_hash: key.keyHash,
      })
      .execute();
  }
}

/** Moves keys to another phase; a destroyed one loses its private key for good. */
export async function setKeyPhase(tx: Writer, ids: readonly string[], phase: KeyPhase): Promise<void> {
  if (ids.length === 0) return;
  const change = phase === 'destroyed' ? { phase, sealed_key: null } : { phase };
  await tx.updateTable('ca_keys').set(change).where('id', 'in', ids).execute();
}

/** Puts a certificate in the place of a request. */
export async function setKeyCertificate(tx: Writer, id: string, pem: string, certificate: Certificate): Promise<void> {
  const { notAfter, keyHash } = certificate;
  await tx.updateTable('ca_keys').set({ pem, not_after: notAfter, key_hash: keyHash }).where('id', '=', id).execute();
}
