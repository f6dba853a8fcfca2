/**
 * The hub's end of the tunnel (tunnel 2.5): one device, a peer for each row of `tunnel_peers` that names this replica. A
 * reconciler makes the device follow the rows, whoever wrote them; what is written through this replica is done at once.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import { system } from '@labmesh/wire/fleet/principal';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import type { HubAddress, NodeTunnel, TunnelPeerRow } from '../nodes/node-tunnel.ts';
import type { Secrets } from '../secrets/open-secrets.ts';
import { peerSettings } from './peer-settings.ts';

export type TunnelHubParts = {
  store: Store;
  secrets: Pick<Secrets, 'open'>;
  open: OpenTunnel;
  replicaId: string;
  /** How nodes reach the two UDP ports. */
  address: Omit<HubAddress, 'wireguardPublicKey' | 'rosenpassSha256'>;
  clock: Clock;
  log: Logger;
};

const reconciler = system('tunnel-peers');
/** A peer that another replica removed is gone within a second or so (H1). */
const lookEveryMs = 1_000;

export class TunnelHub implements NodeTunnel, AsyncDisposable {
  readonly #parts: TunnelHubParts;
  /** Revision of each row as the device has it. */
  readonly #done = new Map<string, number>();
  /** Work on the device, one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #ending = new AbortController();
  #running = Promise.resolve();

  constructor(parts: TunnelHubParts) {
    this.#parts = parts;
  }

  /** Takes up the peers that there are; then follows the rows. */
  async start(): Promise<void> {
    await this.#reconcile();
    this.#running = this.#follow();
  }

  conplane(): HubAddress {
    const { address, open } = this.#parts;
    return { ...address, wireguardPublicKey: open.wireguardPublicKey, rosenpassSha256: open.rosenpassSha256 };
  }
  ownKey(): Uint8Array {
    return this.#parts.open.rosenpassPublicKey;
  }
  view(): TunnelView {
    return this.#parts.open.view();
  }
  peer(id: string): TunnelPeer | undefined {
    return this.#parts.open.tunnel.peer(id);
  }

  setPeer(row: TunnelPeerRow): Promise<void> {
    return this.#inTurn(() => this.#set(row));
  }
  removePeer(id: string): Promise<void> {
    return this.#inTurn(() => this.#remove(id));
  }
  exchangeNow(id: string) {
    return this.#parts.open.tunnel.exchangeNow(id);
  }
  cut(id: string): Promise<boolean> {
    return this.#parts.open.tunnel.cut(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#turn;
    await this.#parts.open[Symbol.asyncDispose]();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #set(row: TunnelPeerRow): Promise<void> {
    const { open, secrets } = this.#parts;
    if (row.removed_at !== null) return this.#remove(row.id);
    await open.tunnel.setPeer(peerSettings(row, secrets));
    this.#done.set(row.id, row.revision);
  }

  async #remove(id: string): Promise<void> {
    this.#done.delete(id);
    await this.#parts.open.tunnel.removePeer(id);
  }

  /** Wanted minus seen. One peer's fault keeps no other from its place. */
  async #reconcile(): Promise<void> {
    const { store, replicaId, log } = this.#parts;
    const wanted = await store.read(reconciler, (db) =>
      db
        .selectFrom('tunnel_peers')
        .select(['id', 'revision'])
        .where('replica_id', '=', replicaId)
        .where('removed_at', 'is', null)
        .execute(),
    );
    const ids = new Set(wanted.map(({ id }) => id));
    for (const id of this.#done.keys()) if (!ids.has(id)) await this.removePeer(id);
    for (const { id, revision } of wanted) {
      if (this.#done.get(id) === revision) continue;
      // Noted before: a peer that cannot be set is told once and tried again when its row changes.
      this.#done.set(id, revision);
      const failed = (error: unknown) => log.error('a peer of the tunnel could not be set', { peer: id, error });
      await this.#inTurn(() => this.#setById(id)).catch(failed);
    }
  }

  async #setById(id: string): Promise<void> {
    const { store, replicaId } = this.#parts;
    const row = await store.read(reconciler, (db) =>
      db.selectFrom('tunnel_peers').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    if (row === undefined || row.replica_id !== replicaId) await this.#remove(id);
    else await this.#set(row);
  }

  async #follow(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    let failed = false;
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#reconcile();
        failed = false;
      } catch (error) {
        // Without the database peers stay as they are.
        if (!failed) log.warn('the peers of the tunnel could not be read', { error });
        failed = true;
      }
    }
  }
}
