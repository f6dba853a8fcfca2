/**
 * Bastions on the same link as agents (HB-12): they tell how installs go, and labd tells them what is wanted. Progress of
 * one bastion is kept in the order it came, one transaction after the other; the same step told twice changes nothing.
 */
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers, type SocketCloseName } from '@labmesh/link/link';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import { system } from '@labmesh/wire/fleet/principal';
import type { BastionProgress, Hello, HelloOk, Msg } from '@labmesh/wire/frame/messages';
import type { DenyList } from '../ca/deny-list.ts';
import type { EventLog } from '../events/event-log.ts';
import { saveProgress } from './machine-rows.ts';
import type { World } from '../settings/world.ts';

export type BastionHubParts = {
  store: World['store'];
  denyList: DenyList;
  events: EventLog;
  clock: World['clock'];
  log: World['log'];
  /** HELLO_OK as agents get it. */
  welcome: () => HelloOk;
};

type Bastion = { link: Link; identity: PeerIdentity; name: string; saving: Promise<void>; waiting: number };

/** Progress of one bastion that waits to be written; then it is told to slow down by the end of its link. */
const waitingMax = 1_024;
const worker = system('bastions');

export class BastionHub implements LinkHandlers, AsyncDisposable {
  readonly #parts: BastionHubParts;
  readonly #arriving = new WeakMap<Link, PeerIdentity>();
  readonly #bastions = new Map<string, Bastion>();
  readonly #stop: () => void;

  constructor(parts: BastionHubParts) {
    this.#parts = parts;
    this.#stop = parts.denyList.onChange(() => {
      for (const { link } of this.#bastions.values()) if (this.beforeFrame(link) !== undefined) link.close('revoked');
    });
  }

  accept(socket: FrameSocket, identity: PeerIdentity): void {
    this.#arriving.set(new Link(socket, this, { side: 'even' }), identity);
  }

  hello(link: Link, hello: Hello): void {
    void this.#greet(link, hello).catch((error: unknown) => {
      this.#parts.log.warn('a bastion could not be greeted', { error });
      link.close('goingAway', 'try again');
    });
  }

  async #greet(link: Link, hello: Hello): Promise<void> {
    const { store, clock, welcome } = this.#parts;
    const identity = this.#arriving.get(link);
    if (identity === undefined || hello.kind !== 'bastion') return link.close('unauthenticated');
    const row = await store.write(worker, async (tx) => {
      await tx.updateTable('bastions').set({ last_seen_at: clock.wall() }).where('id', '=', identity.id).execute();
      return tx.selectFrom('bastions').select(['name', 'revoked_at']).where('id', '=', identity.id).executeTakeFirst();
    });
    if (row === undefined || row.revoked_at !== null) return link.close('revoked', 'this bastion is not known');
    this.#bastions.get(identity.id)?.link.close('superseded');
    this.#bastions.set(identity.id, { link, identity, name: row.name, saving: Promise.resolve(), waiting: 0 });
    link.accept(welcome());
  }

  beforeFrame(link: Link): SocketCloseName | undefined {
    const identity = this.#arriving.get(link);
    if (identity === undefined) return undefined;
    const { serial, uri, keyHash } = identity;
    return this.#parts.denyList.check({ serial, identity: uri, keyHash }) === undefined ? undefined : 'revoked';
  }

  #of(link: Link): Bastion | undefined {
    return [...this.#bastions.values()].find((one) => one.link === link);
  }

  msg(link: Link, msg: Msg): void {
    const bastion = this.#of(link);
    if (bastion === undefined) return;
    if (msg.kind === 'bastion-progress') return this.#progress(bastion, msg);
    // Only labd tells anybody what to do.
    if (msg.kind === 'desired' || msg.kind === 'end-sessions')
      link.close('protocol', `a bastion does not send ${msg.kind}`);
  }

  #progress(bastion: Bastion, msg: BastionProgress): void {
    if (++bastion.waiting > waitingMax) return bastion.link.close('limit', 'progress comes faster than it can be kept');
    const { store, events, clock, log } = this.#parts;
    bastion.saving = bastion.saving
      .then(async () => {
        const isNew = await saveProgress(store, bastion.identity.id, msg, clock.wall());
        const { mac, stage, status, actionId } = msg;
        if (isNew) events.emit('bastion-progress', 'machine', mac, { bastion: bastion.name, actionId, stage, status });
      })
      .catch((error: unknown) => log.warn('the progress of an install was not kept', { bastion: bastion.name, error }))
      .finally(() => void bastion.waiting--);
  }

  /** Tells a bastion what is wanted; false when it is not connected to this replica. */
  desire(bastionId: string, desired: Record<string, unknown>): boolean {
    return this.#bastions.get(bastionId)?.link.sendMsg({ kind: 'desired', desired }) ?? false;
  }

  closed(link: Link): void {
    const bastion = this.#of(link);
    if (bastion !== undefined) this.#bastions.delete(bastion.identity.id);
  }
  fault(_link: Link, error: unknown): void {
    this.#parts.log.error('a handler of a bastion link failed', { error });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    const all = [...this.#bastions.values()];
    for (const { link } of all) link.close('goingAway', 'labd is shutting down');
    await Promise.all(all.map(({ saving }) => saving));
  }
}
