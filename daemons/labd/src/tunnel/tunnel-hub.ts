/**
 * The hub's end of the tunnel (tunnel 2.5): one device, a peer for each row of `tunnel_peers` that names this replica. A
 * reconciler makes the device follow the rows, whoever wrote them; what is written through this replica is done at once.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Store } from '@labmesh/store/store';
import type { Lookup } from '@labmesh/tunnel/named-endpoint';
import type { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { HubRotationView, TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import type { DeviceEvent } from '@labmesh/wireguard/tunnel-device';
import type { HubAddress, NextHubKey, NextNodeKey, NodeTunnel, TunnelPeerRow } from '../nodes/node-tunnel.ts';
import { renewEveryMs } from './hub-address.ts';
import { ClientPlaces } from './client-places.ts';
import type { HubGround } from './open-hub.ts';
import { followRotation, rotateHub } from './rotate-hub.ts';
import { peerSettings } from './peer-settings.ts';

export type TunnelHubParts = {
  store: Store;
  secrets: Parameters<typeof peerSettings>[1];
  ground: Pick<HubGround, 'address' | 'rotation' | 'hasNewKeys' | 'keepAddress' | 'open'>;
  replicaId: string;
  /** Told what happens to the interface. */
  onDevice: (event: DeviceEvent) => void;
  /** Told the id of a row whose peer leaves the device. */
  onGone?: (peerId: string) => void;
  /** Told the tunnel address of a peer before the device has it: what stood there before can still say so. */
  onTaken?: (address: string) => void;
  /** Another resolver, for tests. */
  lookup?: Lookup | undefined;
  clock: Clock;
  log: Logger;
};

const reconciler = system('tunnel-peers');
/** A peer that another replica removed is gone within a second or so (H1). */
const lookEveryMs = 1_000;
/** Whom a rotation waits for is asked of every node's row. */
const rotationEveryMs = 5_000;

export class TunnelHub implements NodeTunnel, AsyncDisposable {
  readonly #parts: TunnelHubParts;
  /** Revision of each row as the device has it. */
  readonly #done = new Map<string, number>();
  /** Work on the device, one after another. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #ending = new AbortController();
  readonly #clients: ClientPlaces;
  #running = Promise.resolve();
  /** Undefined while the device is gone and not open again. */
  #open: OpenTunnel | undefined;
  /** Device or keys were made anew: the nodes' sessions ended with the last ones, and they do not know it. */
  #lostSessions = false;

  constructor(parts: TunnelHubParts) {
    this.#parts = parts;
    const { lookup, clock, log } = parts;
    this.#clients = new ClientPlaces({ lookup, clock, log, onMoved: (id) => void this.#setAgain(id) });
  }

  /** Opens the device and takes up the peers that there are; then follows the rows. @throws TunnelError, the bind's error */
  async start(): Promise<void> {
    await this.#openDevice();
    await this.#reconcile();
    // A device that outlived the last run may hold peers that were removed or banned meanwhile.
    const gone = await this.#whole.tunnel.removeStrangers();
    if (gone > 0) this.#parts.log.warn('peers of an earlier run were taken out of the device', { peers: gone });
    this.#running = this.#follow();
  }

  conplane(): HubAddress {
    const { address, rotation } = this.#parts.ground;
    const { pairs, next, wireguard } = rotation;
    const keys = {
      wireguardPublicKey: wireguard.current,
      ...(wireguard.next !== undefined && { nextWireguardPublicKey: wireguard.next }),
      rosenpassSha256: rotation.current.fingerprint,
    };
    if (pairs === undefined) return { ...address, ...keys };
    const { before, after } = pairs;
    return next === undefined
      ? { ...address, ...keys, previousRosenpassSha256: before.fingerprint }
      : { ...address, ...keys, nextRosenpassSha256: after.fingerprint };
  }
  ownKey(): Uint8Array {
    return this.#parts.ground.rotation.current.publicKey;
  }
  nextKey(peerId: string): NextHubKey | undefined {
    const { pairs } = this.#parts.ground.rotation;
    if (pairs === undefined) return undefined;
    const [follows, { fingerprint: sha256, publicKey }] = [pairs.before.fingerprint, pairs.after];
    const proof = this.#open?.tunnel.prove(peerId, ['next hub key', follows, sha256]);
    return proof === undefined ? undefined : { sha256, follows, publicKey, proof };
  }
  wireguardProof(peerId: string, rosenpass: string): string | undefined {
    const { current, next = 'none' } = this.#parts.ground.rotation.wireguard;
    return this.#open?.tunnel.prove(peerId, ['hub wireguard keys', rosenpass, current, next]);
  }
  isNextKeyProven(peerId: string, { rosenpass, current, next }: NextNodeKey, proof: string): boolean {
    const claim = ['next node wireguard key', current, next] as const;
    return this.#open?.tunnel.isProven(peerId, rosenpass, claim, proof) ?? false;
  }
  isKeyUsed(peerId: string, key: string): boolean {
    return this.#open?.tunnel.peer(peerId)?.wireguardPublicKey === key;
  }
  takenProof(peerId: string, current: string, next: string): string | undefined {
    return this.#open?.tunnel.prove(peerId, ['next node wireguard key taken', current, next]);
  }
  view(): TunnelView {
    const { rotation } = this.#parts.ground;
    const changes = rotation.view();
    const view = { ...this.#whole.view(), rosenpassSha256: rotation.current.fingerprint };
    return changes === undefined ? view : { ...view, rotation: changes };
  }
  /** K8. @throws FleetError CONFLICT: `now`, and somebody is waited for; NOT_AVAILABLE; what file system or store say */
  rotate(now: boolean): Promise<HubRotationView> {
    return this.#inTurn(() => rotateHub(this.#parts.ground.rotation, this.#whole.tunnel, now));
  }
  /** As among all: the view knows of an interface that is down, which no peer does (N9). */
  peer(id: string): TunnelPeer | undefined {
    return this.#whole.view().peers.find((peer) => peer.id === id);
  }

  setPeer(row: TunnelPeerRow): Promise<void> {
    return this.#inTurn(() => this.#set(row));
  }
  removePeer(id: string): Promise<void> {
    return this.#inTurn(() => this.#remove(id));
  }
  /** Where the device has the peer of this row at this moment; undefined: it does not. */
  peerAddress(id: string): string | undefined {
    return this.#open?.tunnel.peer(id)?.address;
  }
  get tunnelAddress(): string {
    return this.#parts.ground.address.tunnelAddress;
  }
  /** Nodes of other hubs that this machine answers for (H6); gives those in force, none while the device is gone. */
  answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return this.#inTurn(async () => (await this.#open?.tunnel.device.answerFor(addresses)) ?? new Set<string>());
  }
  exchangeNow(id: string) {
    return this.#whole.tunnel.exchangeNow(id);
  }
  cut(id: string): Promise<boolean> {
    return this.#whole.tunnel.cut(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#running;
    await this.#turn;
    await this.#open?.[Symbol.asyncDispose]();
  }

  /** @throws FleetError NOT_AVAILABLE while the device is gone */
  get #whole(): OpenTunnel {
    if (this.#open !== undefined) return this.#open;
    throw new FleetError('NOT_AVAILABLE', { message: 'the hub’s interface is gone; it is opened again in a moment' });
  }

  async #openDevice(): Promise<void> {
    const { ground, onDevice } = this.#parts;
    const open = await ground.open();
    this.#open = open;
    this.#lostSessions = ground.hasNewKeys || (await open.tunnel.device.peers()).length === 0;
    const onEvent = (event: DeviceEvent) => {
      onDevice(event);
      // Somebody deleted it: the reconciler opens another, with all peers.
      if (event.kind === 'gone') void this.#inTurn(() => this.#lost(open));
    };
    open.tunnel.device.watch(onEvent, this.#ending.signal);
  }

  async #lost(open: OpenTunnel): Promise<void> {
    if (this.#open !== open) return;
    this.#open = undefined;
    for (const id of this.#done.keys()) this.#parts.onGone?.(id);
    this.#done.clear();
    await open[Symbol.asyncDispose]();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #set(row: TunnelPeerRow): Promise<void> {
    const { secrets, onGone, onTaken } = this.#parts;
    if (row.removed_at !== null) return this.#remove(row.id);
    const before = this.peerAddress(row.id);
    if (before !== undefined && before !== row.address) onGone?.(row.id);
    // Not later: the device sends what is for that address to the peer from then on, and a reset would not arrive here.
    onTaken?.(row.address);
    await this.#whole.tunnel.setPeer(peerSettings(row, secrets, this.#clients.at(row)));
    this.#done.set(row.id, row.revision);
  }

  async #remove(id: string): Promise<void> {
    this.#parts.onGone?.(id);
    await this.#open?.tunnel.removePeer(id);
    // Not before: what the device refuses is tried again.
    this.#done.delete(id);
    this.#clients.forget(id);
  }

  /** Wanted minus seen. One peer's fault keeps no other from its place. */
  async #reconcile(): Promise<void> {
    const { store, replicaId } = this.#parts;
    const wanted = await store.read(reconciler, (db) =>
      db
        .selectFrom('tunnel_peers')
        .select(['id', 'revision'])
        .where('replica_id', '=', replicaId)
        .where('removed_at', 'is', null)
        .execute(),
    );
    if (this.#lostSessions) await this.#callNodesBack();
    const ids = new Set(wanted.map(({ id }) => id));
    const unwanted = [...this.#done.keys()].filter((id) => !ids.has(id));
    const removals = await Promise.allSettled(unwanted.map((id) => this.removePeer(id)));
    for (const { id, revision } of wanted) {
      if (this.#done.get(id) === revision) continue;
      // Noted before: a peer that cannot be set is told once and tried again when its row changes.
      this.#done.set(id, revision);
      await this.#setAgain(id);
    }
    // Told, and tried again at the next look.
    for (const removal of removals) if (removal.status === 'rejected') throw removal.reason;
  }

  /** Left to themselves they would notice in two minutes. Their next heartbeat is told to register, which begins a session. */
  async #callNodesBack(): Promise<void> {
    const { store, replicaId } = this.#parts;
    await store.write(reconciler, (tx) =>
      tx
        .updateTable('nodes')
        .set({ registered_at: null })
        .where('id', 'in', (of) =>
          of
            .selectFrom('tunnel_peers')
            .select((peer) => peer.ref('node_id').$notNull().as('id'))
            .where('replica_id', '=', replicaId)
            .where('node_id', 'is not', null)
            .where('removed_at', 'is', null),
        )
        .execute(),
    );
    this.#lostSessions = false;
  }

  async #setAgain(id: string): Promise<void> {
    const { log } = this.#parts;
    const failed = (error: unknown) => log.error('a peer of the tunnel could not be set', { peer: id, error });
    await this.#inTurn(() => this.#setById(id)).catch(failed);
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
    let [keptAt, followedAt] = [clock.now(), -Infinity];
    while (!signal.aborted) {
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        if (this.#open === undefined) await this.#inTurn(() => this.#openDevice());
        await this.#reconcile();
        const { tunnel } = this.#whole;
        // Not waited for: a resolver may take its time.
        void this.#clients.look((id) => tunnel.unansweredMs(id));
        const { rotation } = this.#parts.ground;
        if (rotation.isUnderWay && clock.now() - followedAt >= rotationEveryMs) {
          followedAt = clock.now();
          await this.#inTurn(() => followRotation(rotation, this.#whole.tunnel));
        }
        if (clock.now() - keptAt >= renewEveryMs) {
          await this.#parts.ground.keepAddress();
          keptAt = clock.now();
        }
        failed = false;
      } catch (error) {
        // Without the database peers stay as they are.
        if (!failed) log.warn('the hub of the tunnel cannot follow its peers', { error });
        failed = true;
      }
    }
  }
}
