/** The table of KEKs: names, states and check values, never a key. */
import type { Reader, Writer } from '@labmesh/store/store';
import { checkValue } from '@labmesh/pki/seal/kek';
import type { Kek } from '@labmesh/pki/seal/seal-value';

/** staged: known, seals nothing. active: seals. retiring: only opens. retired: no row needs it any more (SE-3). */
export type SecretKeyState = 'staged' | 'active' | 'retiring' | 'retired';

export type KeyRow = {
  id: string;
  state: SecretKeyState;
  checkValue: string;
  /** Of a passphrase's key, hex; null for a key of the file. */
  salt: string | null;
  /** Unix ms. */
  createdAt: number;
  updatedAt: number;
};

export async function readKeyRows(db: Reader): Promise<KeyRow[]> {
  const rows = await db.selectFrom('secret_keys').selectAll().orderBy('created_at').orderBy('id').execute();
  return rows.map((row) => ({
    id: row.id,
    state: row.state as SecretKeyState,
    checkValue: row.check_value,
    salt: row.salt,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }));
}

export async function insertKey(
  tx: Writer,
  key: { kek: Kek; salt: Uint8Array | undefined; state: SecretKeyState; at: number },
): Promise<void> {
  const { kek, salt, state, at } = key;
  const values = {
    id: kek.id,
    created_at: at,
    updated_at: at,
    state,
    check_value: checkValue(kek.key),
    salt: salt === undefined ? null : Buffer.from(salt).toString('hex'),
  };
  await tx.insertInto('secret_keys').values(values).execute();
}

export async function setKeyState(tx: Writer, id: string, state: SecretKeyState, at: number): Promise<void> {
  await tx.updateTable('secret_keys').set({ state, updated_at: at }).where('id', '=', id).execute();
}
