/**
 * Rotation of the KEK (SE-3), in steps that can stop anywhere and be taken up by anybody:
 *
 *     staged ── every live replica holds it ──▶ active        the one before: active ──▶ retiring
 *     retiring ── all values wrapped again, 7 days over ──▶ retired
 *
 * A key is inert while staged, so a replica never meets a value that it cannot open. Re-wrapping goes through all sealed
 * fields by pages of 100 and only ever replaces the text that it read, so nobody has to stand still for it. A retired
 * key stays in the key file: older backups need it.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { KeyRing } from './key-ring.ts';
import { type KeyRow, readKeyRows, setKeyState } from './key-rows.ts';
import { placeOf, replaceSealed, type SealedField, type SealedRow, sealedFields, sealedRows } from './sealed-fields.ts';
import { type Kek, kekIdOf, rewrapWith } from '@labmesh/pki/seal/seal-value';

export const rewrapPage = 100;
export const retiringMs = 7 * 24 * 3_600_000;
/** Between two passes when the last one met values that would not open. */
const restMs = 3_600_000;
/** A replica that was not seen for this long is gone. */
const liveMs = 30_000;

const principal = system('rotate-secrets');

export type RotationOptions = {
  store: Store;
  ring: KeyRing;
  replicaId: string | undefined;
  clock: Clock;
  log: Logger;
};

/** Where a pass over all fields stands. Kept in memory: a new process begins again and finds less to do. */
type Cursor = { field: number; after: string; failed: number };

const start = (): Cursor => ({ field: 0, after: '', failed: 0 });

export class Rotation {
  readonly #options: RotationOptions;
  #cursor = start();
  /** Active key under which the last whole pass left everything. */
  #cleanUnder: string | undefined;
  /** No pass before this time, Unix ms. */
  #restAt = 0;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** Tells the other replicas which keys are loaded here. */
  async report(): Promise<void> {
    const { store, ring, replicaId } = this.#options;
    if (replicaId === undefined) return;
    const keks = JSON.stringify(ring.ids);
    await store.write(principal, (tx) =>
      tx.updateTable('replicas').set({ keks }).where('id', '=', replicaId).where('keks', '!=', keks).execute(),
    );
  }

  /** staged → active, once this process and every live replica hold it. Gives the rows as they are then. */
  async activate(rows: readonly KeyRow[]): Promise<readonly KeyRow[]> {
    const { store, ring, clock, log } = this.#options;
    const staged = rows.find(({ state }) => state === 'staged');
    if (staged === undefined || !ring.has(staged)) return rows;
    const done = await store.write(principal, async (tx) => {
      const missing = await this.#without(tx, staged.id);
      if (missing.length > 0) return undefined;
      const now = await readKeyRows(tx);
      if (now.find(({ id }) => id === staged.id)?.state !== 'staged') return now;
      for (const { id, state } of now) if (state === 'active') await setKeyState(tx, id, 'retiring', clock.wall());
      await setKeyState(tx, staged.id, 'active', clock.wall());
      return await readKeyRows(tx);
    });
    if (done === undefined) return rows;
    log.info('a new key seals from now on', { keyId: staged.id });
    return done;
  }

  /** Live replicas that have not told of the key. */
  async #without(tx: Writer, id: string): Promise<string[]> {
    const { clock, replicaId } = this.#options;
    const live = await tx
      .selectFrom('replicas')
      .select(['id', 'keks'])
      .where('seen_at', '>=', clock.wall() - liveMs)
      .execute();
    return live.flatMap((each) => {
      const holds = each.id === replicaId || (JSON.parse(each.keks) as string[]).includes(id);
      return holds ? [] : [each.id];
    });
  }

  /** One page of values under keys that are going. True when there is more to do at once. */
  async rewrap(rows: readonly KeyRow[]): Promise<boolean> {
    const active = rows.find(({ state }) => state === 'active');
    const kek = active === undefined ? undefined : this.#options.ring.get(active.id);
    const isNeeded = rows.some(({ state }) => state === 'retiring') && this.#cleanUnder !== active?.id;
    if (kek === undefined || !isNeeded || this.#options.clock.wall() < this.#restAt) return false;
    const field = sealedFields[this.#cursor.field];
    if (field === undefined) {
      // A value that would not open stays as it is, and its key with it; an operator may mend it meanwhile.
      if (this.#cursor.failed === 0) this.#cleanUnder = kek.id;
      else this.#restAt = this.#options.clock.wall() + restMs;
      this.#cursor = start();
      return false;
    }
    await this.#rewrapPage(field, kek);
    return true;
  }

  async #rewrapPage(field: SealedField, kek: Kek): Promise<void> {
    const { store } = this.#options;
    const page = await store.read(principal, (db) => sealedRows(db, field, this.#cursor.after, rewrapPage));
    const changes = page.flatMap((row) => this.#rewrapRow(field, row, kek));
    if (changes.length > 0) {
      await store.write(principal, async (tx) => {
        for (const { row, value } of changes) await replaceSealed(tx, field, row, value);
      });
    }
    const last = page.at(-1)?.id;
    const isDone = page.length < rewrapPage || last === undefined;
    const { failed } = this.#cursor;
    this.#cursor = isDone
      ? { field: this.#cursor.field + 1, after: '', failed }
      : { field: this.#cursor.field, after: last, failed };
  }

  #rewrapRow(field: SealedField, row: SealedRow, kek: Kek): { row: SealedRow; value: string }[] {
    if (kekIdOf(row.value) === kek.id) return [];
    try {
      return [{ row, value: rewrapWith(this.#options.ring.find, kek, placeOf(field, row), row.value) }];
    } catch (error) {
      this.#cursor.failed++;
      const reason = (error as { log?: string }).log;
      this.#options.log.error('a sealed value could not be wrapped again', { reason });
      return [];
    }
  }

  /** retiring → retired after its time, when a last look finds nothing under it. */
  async retire(rows: readonly KeyRow[]): Promise<void> {
    const { store, clock, log } = this.#options;
    for (const { id, state, updatedAt } of rows) {
      if (state !== 'retiring' || clock.wall() - updatedAt < retiringMs) continue;
      if (await this.isInUse(id)) {
        // Sealed by a replica that heard of the new key late: another pass.
        this.#cleanUnder = undefined;
        continue;
      }
      await store.write(principal, (tx) => setKeyState(tx, id, 'retired', clock.wall()));
      log.info('a key is retired; older backups still need it', { keyId: id });
    }
  }

  /** Whether any value is sealed under the key. */
  async isInUse(keyId: string): Promise<boolean> {
    for (const field of sealedFields) {
      let after = '';
      for (;;) {
        const page = await this.#options.store.read(principal, (db) => sealedRows(db, field, after, rewrapPage));
        if (page.some(({ value }) => kekIdOf(value) === keyId)) return true;
        const last = page.at(-1);
        if (last === undefined || page.length < rewrapPage) break;
        after = last.id;
      }
    }
    return false;
  }
}
