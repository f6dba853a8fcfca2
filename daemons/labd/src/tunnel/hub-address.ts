/**
 * Each hub has a tunnel address of its own (H6): the first of `conplane.range` is the first hub's, another replica's gets
 * the lowest free one. A hub holds it by a row that looks like a tombstone, renewed while it lives: nobody else is given
 * the address, and a day after the hub is gone (H5's rest) it is free again.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Store, Writer } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { TunnelPeerRow } from '../nodes/node-tunnel.ts';
import { freeAddress } from '../nodes/peer-rows.ts';
import { type AddressRange, contains } from '../settings/address-range.ts';

export type HubAddressParts = { store: Store; clock: Clock; range: AddressRange; replicaId: string };

const claimer = system('tunnel-hub');
/** Far below the day after which it would be given away. */
export const renewEveryMs = 3_600_000;

async function firstFree(tx: Writer, range: AddressRange, now: number): Promise<string> {
  const isTaken = async () =>
    (await tx.selectFrom('tunnel_peers').select('id').where('address', '=', range.hub).executeTakeFirst()) !==
    undefined;
  if (!(await isTaken())) return range.hub;
  // Also removes claims that nobody renewed.
  const lowest = await freeAddress(tx, range, now);
  return (await isTaken()) ? lowest : range.hub;
}

const claimOf = (replicaId: string, address: string, now: number): TunnelPeerRow => ({
  id: uuidv7(),
  created_at: now,
  revision: 1,
  kind: 'hub',
  node_id: null,
  name: `hub ${replicaId}`,
  address,
  // Unique, and no key: a hub is nobody's peer.
  wireguard_public_key: `hub:${replicaId}`,
  rosenpass_sha256: null,
  rosenpass_version: null,
  rosenpass_ciphertext: null,
  next_wireguard_public_key: null,
  trusted_sha256: null,
  preshared_key_enc: null,
  endpoint: null,
  require_pq: 0,
  replica_id: replicaId,
  removed_at: now,
  proxy_port: null,
});

/** Takes or renews this replica's address; IPv4 without prefix length. @throws FleetError CONFLICT when the range is full */
export function claimHubAddress({ store, clock, range, replicaId }: HubAddressParts): Promise<string> {
  return store.write(claimer, async (tx) => {
    const now = clock.wall();
    const own = tx.selectFrom('tunnel_peers').selectAll().where('kind', '=', 'hub').where('replica_id', '=', replicaId);
    const row = await own.executeTakeFirst();
    if (row !== undefined && (row.address === range.hub || contains(range, row.address))) {
      await tx.updateTable('tunnel_peers').set({ removed_at: now }).where('id', '=', row.id).execute();
      return row.address;
    }
    // Of another range.
    if (row !== undefined) await tx.deleteFrom('tunnel_peers').where('id', '=', row.id).execute();
    const address = await firstFree(tx, range, now);
    await tx
      .insertInto('tunnel_peers')
      .values(claimOf(replicaId, address, now))
      .execute();
    return address;
  });
}
