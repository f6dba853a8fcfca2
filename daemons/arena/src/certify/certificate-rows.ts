/** Certificates in the store: the tenant's bundle, and where the log has it. Every read is of one tenant. */
import type { Tables } from '@labmesh/store/tables';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Selectable } from 'kysely';
import type { Certified } from '../contract/finished-run.ts';

const who = system('arena-certify');

export type CertificateRow = Selectable<Tables['arena_certificates']>;

export const certificateOfRun = (store: Store, runId: string): Promise<CertificateRow | undefined> =>
  store.read(who, (db) =>
    db.selectFrom('arena_certificates').selectAll().where('run_id', '=', runId).executeTakeFirst(),
  );

/** By the id of the certificate or of its run. Of another tenant is the same as not there. */
export const findCertificate = (store: Store, tenant: string, id: string): Promise<CertificateRow | undefined> =>
  store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .selectAll()
      .where('tenant', '=', tenant)
      .where((where) => where.or([where('id', '=', id), where('run_id', '=', id)]))
      .executeTakeFirst(),
  );

/** Of whichever tenant: for the issuer alone. */
export const anyCertificate = (store: Store, id: string): Promise<CertificateRow | undefined> =>
  store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .selectAll()
      .where((where) => where.or([where('id', '=', id), where('run_id', '=', id)]))
      .executeTakeFirst(),
  );

/** Newest first. */
export const listCertificates = (store: Store, tenant: string, limit: number, offset: number) =>
  store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .select(['id', 'run_id', 'bundle', 'created_at', 'expires_at', 'log_index', 'revoked_at', 'revoked_reason'])
      .where('tenant', '=', tenant)
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .offset(offset)
      .execute(),
  );

/** What a crash left between signing and log. */
export const unloggedCertificates = (store: Store, limit: number): Promise<CertificateRow[]> =>
  store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .selectAll()
      .where('log_index', 'is', null)
      .orderBy('created_at')
      .limit(limit)
      .execute(),
  );

/** The row that stands afterwards: another process may have been first (one certificate a run). */
export async function insertCertificate(store: Store, row: Omit<CertificateRow, 'revision'>): Promise<CertificateRow> {
  await store.write(who, (tx) =>
    tx
      .insertInto('arena_certificates')
      .values(row)
      .onConflict((on) => on.column('run_id').doNothing())
      .execute(),
  );
  const stands = await certificateOfRun(store, row.run_id);
  if (stands === undefined) throw new Error('a certificate that was written is not there');
  return stands;
}

/** `open`: its end is not written yet, and whatever is written of its certificate now, that would undo. */
export const runStateOf = async (store: Store, runId: string): Promise<'open' | 'ended' | 'gone'> => {
  const run = await store.read(who, (db) =>
    db.selectFrom('arena_runs').select('finished_at').where('id', '=', runId).executeTakeFirst(),
  );
  if (run === undefined) return 'gone';
  return run.finished_at === null ? 'open' : 'ended';
};

/**
 * What a run's rows say of a certificate that was issued after its end, or that will never be.
 * @param waited what they said of it until then
 */
export const setRunCertificate = (
  store: Store,
  runId: string,
  said: Certified | { reason: string },
  waited: string,
): Promise<void> =>
  store.write(who, async (tx) => {
    const run = await tx.selectFrom('arena_runs').select('report').where('id', '=', runId).executeTakeFirst();
    if (run === undefined) return;
    const before = run.report === null ? null : (JSON.parse(run.report) as { summary?: string });
    const because = 'reason' in said ? `; ${said.reason}` : '';
    // A function: `$&` in a name is text.
    const summary = before?.summary?.replace(`; ${waited}`, () => because);
    const certificateId = 'reason' in said ? null : said.certificateId;
    const signed = 'reason' in said ? {} : { properties: said.properties, isolation: said.isolation };
    const report = before && JSON.stringify({ ...before, summary, certificate_id: certificateId, ...signed });
    await tx
      .updateTable('arena_runs')
      .set({ certificate_id: certificateId, report })
      .where('id', '=', runId)
      .where('certificate_id', 'is', null)
      .execute();
  });

export const setLogged = (store: Store, id: string, logIndex: number, bundle: string) =>
  store.write(who, (tx) =>
    tx.updateTable('arena_certificates').set({ log_index: logIndex, bundle }).where('id', '=', id).execute(),
  );

export const setRevoked = (store: Store, id: string, at: number, reason: string) =>
  store.write(who, (tx) =>
    tx
      .updateTable('arena_certificates')
      .set({ revoked_at: at, revoked_reason: reason })
      .where('id', '=', id)
      .where('revoked_at', 'is', null)
      .execute(),
  );

/** Rows of all tenants that are not revoked and hold `text` in their bundle, by id after `after`. */
export const standingWith = (store: Store, text: string, after: string, limit: number) =>
  store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .select(['id', 'bundle', 'log_index', 'revoked_reason'])
      .where('revoked_at', 'is', null)
      .where('id', '>', after)
      .where('bundle', 'like', `%${text}%`)
      .orderBy('id')
      .limit(limit)
      .execute(),
  );

/** How many of `ids` are a tenant's. */
export const countOf = async (store: Store, tenant: string, ids: readonly string[]): Promise<number> => {
  const { n } = await store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .select((row) => row.fn.countAll<number>().as('n'))
      .where('tenant', '=', tenant)
      .where('id', 'in', [...ids, ''])
      .executeTakeFirstOrThrow(),
  );
  return n;
};

/** How many of a tenant's are revoked, by whomever. */
export const countRevoked = async (store: Store, tenant: string): Promise<number> => {
  const { n } = await store.read(who, (db) =>
    db
      .selectFrom('arena_certificates')
      .select((row) => row.fn.countAll<number>().as('n'))
      .where('tenant', '=', tenant)
      .where('revoked_at', 'is not', null)
      .executeTakeFirstOrThrow(),
  );
  return n;
};
