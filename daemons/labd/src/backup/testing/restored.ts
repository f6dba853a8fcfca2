/** Restores and verifies backups of a ground, and looks at what came out. */
import { systemClock as clock } from '@labmesh/kit/clock';
import { silentLogger as log } from '@labmesh/kit/log';
import { dumpTables, type DumpRow } from '@labmesh/store/dump/dump-tables';
import type { Store } from '@labmesh/store/store';
import { firstPrevHash, fromTableRow, hashRow } from '../../audit/audit-row.ts';
import type { Secrets } from '../../secrets/open-secrets.ts';
import { openBackup } from '../backup-file.ts';
import type { KeyPlace } from '../backup-keys.ts';
import { restoreBackup, type Restored, type RestoreOptions } from '../restore-backup.ts';
import { verifyBackup } from '../verify-backup.ts';
import { passphrase, principal, sealedSetting } from './backup-ground.ts';

/** Restores by a path, or a backup that is open. */
export async function restore(
  over: Pick<RestoreOptions, 'store' | 'keys'> & Partial<RestoreOptions> & { path?: string },
): Promise<Restored> {
  const backup = over.backup ?? (await openBackup(over.path ?? '', passphrase));
  return restoreBackup({ backup, principal, clock, log, ...over });
}

/** Verifies; what it gives of the audit is the ground's chain, and the secret. */
export const verify = async (path: string, keys: KeyPlace, more: { passphrase?: string; chain?: string } = {}) =>
  verifyBackup({
    backup: await openBackup(path, more.passphrase ?? passphrase),
    principal,
    keys,
    clock,
    log,
    verifyAudit: async (store, secrets) => {
      const actions = await chainActions(store, secrets, more.chain ?? '');
      return { actions, hidden: await openHidden(store, secrets) };
    },
  });

/** Actions of a chain that hangs together from its first row on; throws at the first row that does not. */
export async function chainActions(store: Store, secrets: Secrets, chain: string): Promise<string[]> {
  const keyName = 'audit.key.k1';
  const { rows, value } = await store.read(principal, async (db) => ({
    rows: await db.selectFrom('audit_log').selectAll().where('chain', '=', chain).orderBy('seq').execute(),
    value: await db.selectFrom('settings').select('value').where('key', '=', keyName).executeTakeFirstOrThrow(),
  }));
  const key = secrets.open('settings', keyName, 'value', value.value);
  let prev = firstPrevHash(chain);
  return rows.map((row, at) => {
    const hash = hashRow(key, prev, fromTableRow(row));
    if (row.seq !== at + 1 || row.prev_hash !== prev || row.hash !== hash) throw new Error(`row ${row.seq} is wrong`);
    prev = hash;
    return row.action;
  });
}

/** Opens the sealed setting of a store. */
export async function openHidden(store: Store, secrets: Secrets): Promise<string> {
  const { id, table, field } = sealedSetting;
  const query = (db: Parameters<Parameters<Store['read']>[1]>[0]) =>
    db.selectFrom('settings').select('value').where('key', '=', id).executeTakeFirstOrThrow();
  const { value } = await store.read(principal, query);
  return Buffer.from(secrets.open(table, id, field, value)).toString();
}

/** All rows as lines, in order, without what a restore writes: its chain, and when recordings without end ended. */
export async function linesOf(store: Store): Promise<string[]> {
  const rows = await Array.fromAsync(dumpTables(store, principal));
  const chains = new Set(rows.filter(({ row }) => row['action'] === 'restored-from').map(({ row }) => row['chain']));
  const isOld = ({ row }: DumpRow) => !chains.has(row['chain'] ?? null);
  const namesOf = (table: string, row: DumpRow['row']) =>
    Object.keys(row).filter((name) => table !== 'recordings' || name !== 'ended_at');
  return rows.filter(isOld).map(({ table, row }) => `${table} ${JSON.stringify(row, namesOf(table, row).toSorted())}`);
}
