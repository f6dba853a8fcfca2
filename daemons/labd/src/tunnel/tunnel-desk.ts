/** What operators do with the hub (tunnel 2.9, X7, K6, Q7). Rows first, then the device: a crash between leaves the reconciler to it. */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type {
  AddTunnelPeer,
  ExchangeResult,
  HubRotationView,
  RelayedNodeView,
  TunnelPeer,
  TunnelView,
} from '@labmesh/wire/tunnel';
import type { Caller } from '../login/caller.ts';
import type { HubAddress, TunnelPeerRow } from '../nodes/node-tunnel.ts';
import { freeAddress, retirePeer } from '../nodes/peer-rows.ts';
import type { PublicKeyFiles } from '../nodes/public-key-files.ts';
import type { Secrets } from '../secrets/open-secrets.ts';
import type { AddressRange } from '../settings/address-range.ts';
import { clientRow, readClientWish } from './client-wish.ts';
import type { TunnelHub } from './tunnel-hub.ts';

export type TunnelDeskParts = {
  /** Undefined: `conplane.tunnel.enabled = false`. */
  hub: TunnelHub | undefined;
  /** Nodes of other hubs that are reached from here (H6). */
  relayed: () => RelayedNodeView[];
  store: Store;
  secrets: Pick<Secrets, 'seal'>;
  keyFiles: PublicKeyFiles;
  range: AddressRange;
  replicaId: string;
  clock: Clock;
};

const off = () =>
  new FleetError('NOT_AVAILABLE', {
    message: 'the tunnel is off on this replica',
    hint: 'set enabled = true, listen and endpoint below [conplane.tunnel] and restart labd',
  });

export class TunnelDesk {
  readonly #parts: TunnelDeskParts;

  constructor(parts: TunnelDeskParts) {
    this.#parts = parts;
  }

  /** @throws FleetError NOT_AVAILABLE */
  get #hub(): TunnelHub {
    const { hub } = this.#parts;
    if (hub === undefined) throw off();
    return hub;
  }

  view(): TunnelView {
    const relayed = this.#parts.relayed();
    return { ...this.#hub.view(), ...(relayed.length > 0 && { relayed }) };
  }
  /** How peers reach the hub. */
  address(): HubAddress {
    return this.#hub.conplane();
  }
  key(): { bytes: Uint8Array; fingerprint: string } {
    const hub = this.#hub;
    return { bytes: hub.ownKey(), fingerprint: hub.conplane().rosenpassSha256 };
  }
  /** K8. */
  rotate(now: boolean): Promise<HubRotationView> {
    return this.#hub.rotate(now);
  }
  peers(): TunnelPeer[] {
    return this.#hub.view().peers.toSorted((one, two) => one.name.localeCompare(two.name));
  }

  /** By id or name. @throws FleetError NOT_AVAILABLE, NOT_FOUND */
  async row(caller: Caller, ref: string): Promise<TunnelPeerRow> {
    if (this.#parts.hub === undefined) throw off();
    const found = await this.#parts.store.read(caller.principal, (db) =>
      db
        .selectFrom('tunnel_peers')
        .selectAll()
        .where((on) => on.or([on('id', '=', ref), on('name', '=', ref), on('node_id', '=', ref)]))
        .where('removed_at', 'is', null)
        .executeTakeFirst(),
    );
    if (found === undefined) throw new FleetError('NOT_FOUND');
    return found;
  }

  async peer(caller: Caller, ref: string): Promise<TunnelPeer> {
    return this.#show(await this.row(caller, ref));
  }

  /** X7: a client of other make. It gets an address and is let in; what it reaches is named elsewhere. */
  async add(caller: Caller, wish: AddTunnelPeer): Promise<TunnelPeer> {
    const { store, secrets, clock, range, replicaId, keyFiles } = this.#parts;
    const hub = this.#hub;
    const { rosenpass, presharedKey } = readClientWish(wish);
    const fingerprint = rosenpass === undefined ? null : await keyFiles.write(rosenpass);
    const insert = async (tx: Tx) => {
      const now = clock.wall();
      await refuseTwins(tx, wish, fingerprint);
      const place = { address: await freeAddress(tx, range, now), replicaId, now };
      const made = clientRow(wish, fingerprint, presharedKey, place, secrets);
      await tx.insertInto('tunnel_peers').values(made).execute();
      return made;
    };
    // It may run again, each time with the key.
    const row = await store.write(caller.principal, insert).finally(() => presharedKey?.fill(0));
    await hub.setPeer(row);
    return this.#show(row);
  }

  /** Strict or permissive (Q7). */
  async update(caller: Caller, ref: string, requirePq: boolean): Promise<TunnelPeer> {
    const row = await this.row(caller, ref);
    if (requirePq && row.rosenpass_sha256 === null) {
      throw new FleetError('CONFLICT', { message: 'this peer has no Rosenpass key, so nothing would ever pass' });
    }
    const changed = await this.#change(caller, row, { require_pq: requirePq ? 1 : 0 });
    await this.#hub.setPeer(changed);
    return this.#show(changed);
  }

  /** K6. */
  async trust(caller: Caller, ref: string, sha256: string): Promise<TunnelPeer> {
    const row = await this.row(caller, ref);
    if (row.kind !== 'node') {
      throw new FleetError('CONFLICT', {
        message: 'only nodes bring keys; remove this peer and add it with the new one',
      });
    }
    return this.#show(await this.#change(caller, row, { trusted_sha256: sha256 }));
  }

  /** A foreign client; a node leaves by `delete-node`. */
  async remove(caller: Caller, ref: string): Promise<TunnelPeerRow> {
    const { store, clock } = this.#parts;
    const row = await this.row(caller, ref);
    if (row.kind === 'node') {
      const hint = `labctl delete node/${row.name}, or labctl tunnel cut ${row.name} until its next exchange`;
      throw new FleetError('CONFLICT', { message: 'this peer belongs to a node', hint });
    }
    await store.write(caller.principal, (tx) => retirePeer(tx, row.id, clock.wall()));
    await this.#hub.removePeer(row.id);
    return row;
  }

  /** With a peer that the hub dials. @throws FleetError CONFLICT for a node */
  async exchange(caller: Caller, ref: string): Promise<ExchangeResult> {
    const row = await this.row(caller, ref);
    if (row.kind === 'node') {
      // It may be anywhere behind a NAT; what we would send to it goes nowhere (N4).
      const hint = `on the machine of ${row.name}: labman tunnel exchange; its result here: labctl tunnel show ${row.name}`;
      throw new FleetError('CONFLICT', { message: 'a node begins its exchanges itself', hint });
    }
    const result = await this.#hub.exchangeNow(row.id);
    if (result === undefined) throw elsewhere(row);
    return { ...result, peer: this.#show(row) };
  }

  /** Until the next exchange (Q4). @throws FleetError CONFLICT for a peer that has none */
  async cut(caller: Caller, ref: string): Promise<TunnelPeer> {
    const row = await this.row(caller, ref);
    if (row.rosenpass_sha256 === null) {
      const way = row.kind === 'node' ? `labctl delete node/${row.name}` : `labctl tunnel remove ${row.name}`;
      const message = 'this peer has no Rosenpass key, so no exchange would ever heal the cut';
      throw new FleetError('CONFLICT', { message, hint: `${way} ends it for good` });
    }
    if (!(await this.#hub.cut(row.id))) throw elsewhere(row);
    return this.#show(row);
  }

  #show(row: TunnelPeerRow): TunnelPeer {
    const peer = this.#hub.peer(row.id);
    if (peer === undefined) throw elsewhere(row);
    return peer;
  }

  #change(caller: Caller, row: TunnelPeerRow, change: Partial<TunnelPeerRow>): Promise<TunnelPeerRow> {
    const changed = { ...row, ...change, revision: row.revision + 1 };
    return this.#parts.store.write(caller.principal, async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('tunnel_peers')
        .set({ ...change, revision: changed.revision })
        .where('id', '=', row.id)
        .where('revision', '=', row.revision)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new FleetError('STALE_REVISION');
      return changed;
    });
  }
}

const elsewhere = (row: TunnelPeerRow) =>
  new FleetError('CONFLICT', {
    message: 'the hub of this replica does not have this peer (yet)',
    hint: `ask the replica ${row.replica_id}, or look into the log for why it could not be set`,
  });

type Tx = Parameters<typeof freeAddress>[0];

async function refuseTwins(tx: Tx, wish: AddTunnelPeer, fingerprint: string | null): Promise<void> {
  const twin = await tx
    .selectFrom('tunnel_peers')
    .select(['name', 'wireguard_public_key', 'rosenpass_sha256'])
    .where('removed_at', 'is', null)
    .where((on) =>
      on.or([
        on('name', '=', wish.name),
        on('wireguard_public_key', '=', wish.wireguardPublicKey),
        on('next_wireguard_public_key', '=', wish.wireguardPublicKey),
        ...(fingerprint === null ? [] : [on('rosenpass_sha256', '=', fingerprint)]),
      ]),
    )
    .executeTakeFirst();
  if (twin === undefined) return;
  const what = twin.name === wish.name ? 'name' : 'key';
  throw new FleetError('CONFLICT', { message: `the peer ${twin.name} has this ${what} already` });
}
