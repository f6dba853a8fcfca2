/** What changes the CA: rotation, renewal, upkeep. Each reads the rows again in its transaction and judges by those. */
import { takeLease } from '@labmesh/store/lease';
import type { Reader, Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import type { Sealer } from '../secrets/sealer.ts';
import { type CaOptions, isPermitted } from './ca-options.ts';
import { type CaRows, insertKeys, readCa, writeMeta } from './keys/ca-rows.ts';
import { type CaState, keyIn, waiting } from './keys/ca-state.ts';
import {
  type Generation,
  type Maker,
  makeGeneration,
  makeIntermediate,
  makeWaiting,
  openKey,
} from './keys/make-keys.ts';
import { signCrls } from './revocation-list.ts';
import {
  applyStep,
  checkBehind,
  checkStep,
  destroyOld,
  installSigned,
  overdue,
  replaceIntermediate,
  type RotationStep,
  signingRoots,
} from './rotation.ts';
import type { World } from '../settings/world.ts';

export type CaWorksParts = {
  store: Store;
  sealer: Sealer;
  clock: World['clock'];
  log: World['log'];
  options: CaOptions;
};

const who = system('ca');
const leaseMs = 30_000;
const nothing: Generation = { rows: [], undo: () => Promise.resolve() };

async function rowsIn(tx: Reader): Promise<CaRows> {
  const rows = await readCa(tx);
  if (rows === undefined) throw new FleetError('INTERNAL', { log: 'the CA is gone from the store' });
  return rows;
}

export class CaWorks {
  readonly #parts: CaWorksParts;

  constructor(parts: CaWorksParts) {
    this.#parts = parts;
  }

  /** The CA's own mode holds, whatever the configuration says by now. */
  #maker(rows: Pick<CaRows, 'meta'>): Maker {
    const { sealer, clock, options } = this.#parts;
    const { trustDomain, rootMode } = rows.meta;
    return { sealer, now: clock.wall(), options: { ...options, trustDomain, rootMode } };
  }

  /** @throws FleetError CA_PHASE. */
  async rotate(principal: Principal, to: RotationStep, behind: readonly string[], force: boolean): Promise<void> {
    const { store, options, log } = this.#parts;
    const rows = await store.read(who, (db) => rowsIn(db));
    const maker = this.#maker(rows);
    // Before keys are made, and again in the transaction, where another replica may have been first.
    checkStep(rows.meta, to, maker.now, options.phaseMinMs);
    checkBehind(behind, force);
    const { rows: made, undo } = to === 'init' ? await this.#nextGeneration(maker, rows) : nothing;
    try {
      await store.write(principal, async (tx) => {
        const current = await rowsIn(tx);
        checkStep(current.meta, to, maker.now, options.phaseMinMs);
        await applyStep(tx, current, { to, made, now: maker.now, force });
      });
    } catch (error) {
      // Any other error leaves open whether the rows stand, and with them the need for the root key.
      if (error instanceof FleetError && error.code === 'CA_PHASE') await undo();
      throw error;
    }
    log.info('the rotation of the CA took a step', { from: rows.meta.phase, to, behind: behind.length });
  }

  async #nextGeneration(maker: Maker, rows: CaRows): Promise<Generation> {
    const known = rows.keys.flatMap(({ role, keyHash }) => (role === 'root' ? [keyHash] : []));
    const olds = await signingRoots(maker, rows);
    return await makeGeneration(maker, { phase: 'next', dnsNames: this.#names(rows), olds, known });
  }

  /** Names that an intermediate is for: ours, and those that the one before had for other replicas. */
  #names(rows: Pick<CaRows, 'keys'>): string[] {
    const before = keyIn(rows, 'intermediate', 'active')?.certificate?.permittedDns ?? [];
    return [...new Set([...before, ...this.#parts.options.dnsNames])];
  }

  /** @throws FleetError CA_PHASE during a rotation. */
  async renewIntermediate(principal: Principal, state: CaState): Promise<void> {
    const { store, sealer, log } = this.#parts;
    if (state.meta.phase !== 'standby') {
      throw new FleetError('CA_PHASE', { message: 'a rotation is under way; it brings a new intermediate' });
    }
    const maker = this.#maker(state);
    if (maker.options.rootMode === 'offline') return await this.#askOffline(principal, maker);
    const root = keyIn(state, 'root', 'active');
    if (root?.certificate === undefined) throw new FleetError('INTERNAL', { log: 'the CA has no active root' });
    const issuer = { key: await openKey(sealer, root), certificate: root.certificate };
    const made = await makeIntermediate(maker, issuer, 'active', this.#names(state));
    await store.write(principal, async (tx) => {
      const current = await rowsIn(tx);
      if (keyIn(current, 'root', 'active')?.id !== root.id) throw new FleetError('STALE_REVISION');
      await replaceIntermediate(tx, current, made, maker.now);
    });
    log.info('a new intermediate signs from now on', { intermediate: made.id });
  }

  /** A key and a request for it, unless one waits already. */
  async #askOffline(principal: Principal, maker: Maker): Promise<void> {
    const made = await makeWaiting(maker);
    await this.#parts.store.write(principal, async (tx) => {
      const current = await rowsIn(tx);
      if (waiting(current) !== undefined) return;
      await insertKeys(tx, [made]);
      await writeMeta(tx, current.meta, maker.now);
    });
  }

  /** @throws FleetError VALIDATION_FAILED. */
  async installSigned(principal: Principal, pem: string): Promise<void> {
    await this.#parts.store.write(principal, async (tx) => {
      const rows = await rowsIn(tx);
      await installSigned(tx, rows, this.#maker(rows), pem);
    });
  }

  /** A start with names that the intermediate was not made for: a new one, or a word to the operator. True when changed. */
  async extendNames(state: CaState): Promise<boolean> {
    const { options, log } = this.#parts;
    const permitted = keyIn(state, 'intermediate', 'active')?.certificate?.permittedDns ?? [];
    const missing = options.dnsNames.filter((name) => !isPermitted(name, permitted));
    if (missing.length === 0) return false;
    if (state.meta.phase !== 'standby' || state.meta.rootMode === 'offline') {
      log.warn('the intermediate is not for these names; renew it', { names: missing });
      return false;
    }
    await this.renewIntermediate(who, state);
    return true;
  }

  /** What is due, for the one replica that has the lease. True when something changed. */
  async upkeep(state: CaState): Promise<boolean> {
    const { store, options, clock } = this.#parts;
    if (!(await takeLease(store, 'ca', options.owner, leaseMs))) return false;
    const now = clock.wall();
    const isRenewed = await this.#renewInTime(state, now);
    const isDestroyed =
      overdue(state, now, options.keepOldMs).length > 0 &&
      (await store.write(who, async (tx) => destroyOld(tx, await rowsIn(tx), now, options.keepOldMs)));
    const isSigned = await signCrls(store, state, options, now);
    // The lists are no part of the version: it is raised, so that the other replicas read them.
    if (isSigned) await store.write(who, async (tx) => writeMeta(tx, (await rowsIn(tx)).meta, now));
    return isRenewed || isDestroyed || isSigned;
  }

  /** The intermediate at a quarter of its life, by itself where the root key is here. */
  async #renewInTime(state: CaState, now: number): Promise<boolean> {
    const active = keyIn(state, 'intermediate', 'active');
    const root = keyIn(state, 'root', 'active');
    if (active?.certificate === undefined || root === undefined) return false;
    const { notBefore, notAfter } = active.certificate;
    const isDue = notAfter - now < (notAfter - notBefore) / 4;
    // Below a root that ends as soon a new one would gain nothing.
    const canGain = root.notAfter > notAfter;
    if (!isDue || !canGain || state.meta.phase !== 'standby' || state.meta.rootMode === 'offline') return false;
    await this.renewIntermediate(who, state);
    return true;
  }
}
