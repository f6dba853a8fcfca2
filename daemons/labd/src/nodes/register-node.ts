/**
 * Registration of a node (N3, tunnel K3…K6). The token says which node it is, never the node itself:
 *
 *     token good? ─▶ keys read, file kept ─▶ one transaction: token bound, node and peer written ─▶ peer in the device ─▶ answer
 *
 * The same token with the same keys gives the same node again, also when the first answer was lost.
 */
import type { Writer } from '@labmesh/store/store';
import { isUniqueViolation } from '@labmesh/store/store-errors';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { provisionalNodeId, uuidv7 } from '@labmesh/wire/ids';
import type { NodeRegisterAnswer, NodeRegisterRequest } from '@labmesh/wire/node';
import { Turns } from '../login/turns.ts';
import type { World } from '../settings/world.ts';
import type { AddressRange } from '../settings/address-range.ts';
import { type NodeKeys, readNodeKeys } from './node-keys.ts';
import { keptInfo } from './node-report.ts';
import { banned, type NodeRow } from './node-rows.ts';
import { liveNodeToken, type NodeTokenRow } from './node-token-rows.ts';
import type { NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';
import { peerOfNode, savePeer } from './peer-rows.ts';
import type { PublicKeyFiles } from './public-key-files.ts';

export type RegisterParts = {
  store: World['store'];
  clock: World['clock'];
  files: PublicKeyFiles;
  tunnel: NodeTunnel;
  range: AddressRange;
  replicaId: string;
  heartbeatS: number;
  /** Of new peers. */
  requirePq: boolean;
};

/** What became of it, for audit and events. `was`: keys that it had before, when they changed. */
export type Registered = {
  answer: NodeRegisterAnswer;
  node?: { id: string; name: string };
  isNew: boolean;
  keys?: NodeKeys;
  was?: NodeKeys;
};

/** Keys that a refused registration showed, for its audit row (V9: key_refused). */
export type KeyRefused = (node: { id: string; name: string }, was: NodeKeys, found: NodeKeys) => void;

type Saved = { node: NodeRow; isNew: boolean; was: NodeKeys | undefined; peer: TunnelPeerRow | undefined };

const worker = system('nodes');
const racesMax = 5;
/** Registrations behind the one that is written. */
const waitingMax = 1_024;
/** Versions of the link's protocol (N4). */
const proto = [1];

/** @throws FleetError BANNED, CONFLICT: a key belongs to one node (K6). */
async function assertKeysFree(tx: Writer, nodeId: string, { wireguard, rosenpass }: NodeKeys): Promise<void> {
  const holder = await tx
    .selectFrom('nodes')
    .select('state')
    .where('id', '!=', nodeId)
    .where((on) => on.or([on('wireguard_public_key', '=', wireguard), on('rosenpass_sha256', '=', rosenpass)]))
    .executeTakeFirst();
  if (holder?.state === 'banned') throw banned();
  const foreign = await tx
    .selectFrom('tunnel_peers')
    .select('id')
    .where((on) => on.or([on('node_id', 'is', null), on('node_id', '!=', nodeId)]))
    .where('removed_at', 'is', null)
    .where((on) => on.or([on('wireguard_public_key', '=', wireguard), on('rosenpass_sha256', '=', rosenpass)]))
    .executeTakeFirst();
  if (holder === undefined && foreign === undefined) return;
  throw new FleetError('CONFLICT', {
    message: 'these keys are another node’s',
    hint: 'a copied machine makes keys of its own: remove wg.key, wg.pub, pqsk and pqpk there, then join again',
  });
}

/** Keys that the node had, when these are others; undefined when nothing changed. */
function keysBefore(node: NodeRow | undefined, keys: NodeKeys): NodeKeys | undefined {
  if (node === undefined || node.wireguard_public_key === null) return undefined;
  const was = { wireguard: node.wireguard_public_key, rosenpass: node.rosenpass_sha256 };
  return was.wireguard === keys.wireguard && was.rosenpass === keys.rosenpass ? undefined : was;
}

/** A name for a new node: the operator's, else the one it goes by already (N6). */
async function freeName(tx: Writer, token: NodeTokenRow, text: string, nodeId: string): Promise<string> {
  for (const name of [token.name, provisionalNodeId(text)]) {
    if (name === null) continue;
    const taken = await tx.selectFrom('nodes').select('id').where('name', '=', name).executeTakeFirst();
    if (taken === undefined) return name;
  }
  return `node-${nodeId}`;
}

export class NodeRegistry {
  readonly #parts: RegisterParts;
  /** All look for the lowest free address: at once they would only undo one another. */
  readonly #turns = new Turns({ name: 'registrations of nodes', atOnce: 1, waitingMax, retryAfterMs: 5_000 });

  constructor(parts: RegisterParts) {
    this.#parts = parts;
  }

  /**
   * The token behind a text, while it is good; for limits, and before anything of a request costs more.
   * @throws FleetError TOKEN_INVALID, TOKEN_EXPIRED.
   */
  token(text: string): Promise<NodeTokenRow> {
    const { store, clock } = this.#parts;
    return store.read(worker, (db) => liveNodeToken(db, text, clock.wall()));
  }

  /**
   * @throws FleetError TOKEN_INVALID, TOKEN_EXPIRED, BANNED, CONFLICT, PIN_MISMATCH (a changed key that nobody let in),
   *   ROSENPASS_KEY_INVALID, VALIDATION_FAILED; what the tunnel throws.
   */
  async register(request: NodeRegisterRequest, onRefused: KeyRefused = () => {}): Promise<Registered> {
    const { files, tunnel, heartbeatS } = this.#parts;
    const keys = await readNodeKeys(request, files);
    if (keys === undefined) {
      const answer = {
        success: true,
        need_rosenpass_key: true,
        wireguard_address: null,
        heartbeat_s: heartbeatS,
        proto,
      };
      return { answer, isNew: false };
    }
    const { node, isNew, was, peer } = await this.#save(request, keys, onRefused);
    if (peer !== undefined) await tunnel.setPeer(peer);
    const answer = this.#answer(request, node, peer);
    return { answer, node, isNew, keys, ...(was !== undefined && { was }) };
  }

  /** Two replicas that write the same address, name or key at once: one of them goes again. */
  async #save(request: NodeRegisterRequest, keys: NodeKeys, onRefused: KeyRefused): Promise<Saved> {
    const write = () => this.#parts.store.write(worker, (tx) => this.#write(tx, request, keys, onRefused));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#turns.run(write);
      } catch (error) {
        if (attempt === racesMax || !isUniqueViolation(error)) throw error;
      }
    }
  }

  async #write(tx: Writer, request: NodeRegisterRequest, keys: NodeKeys, onRefused: KeyRefused): Promise<Saved> {
    const { clock, tunnel, range, replicaId, requirePq } = this.#parts;
    const now = clock.wall();
    const token = await liveNodeToken(tx, request.token, now);
    const nodeId = token.node_id ?? uuidv7();
    const old = await tx.selectFrom('nodes').selectAll().where('id', '=', nodeId).executeTakeFirst();
    if (old?.state === 'banned') throw banned();
    await assertKeysFree(tx, nodeId, keys);
    const was = keysBefore(old, keys);
    if (old !== undefined && was !== undefined) await assertMayChange(tx, old, token, was, keys, onRefused);
    const node = await writeNode(tx, { request, token, keys, nodeId, old }, now);
    await tx
      .updateTable('node_tokens')
      .set((row) => ({ node_id: nodeId, used_at: now, revision: row('revision', '+', 1) }))
      .where('id', '=', token.id)
      .execute();
    const hub = tunnel.conplane();
    if (hub === undefined) return { node, isNew: old === undefined, was, peer: undefined };
    const wish = { nodeId, name: node.name, keys, caps: request.tunnel_caps, replicaId, requirePq };
    return { node, isNew: old === undefined, was, peer: await savePeer(tx, wish, range, now) };
  }

  #answer(request: NodeRegisterRequest, node: NodeRow, peer: TunnelPeerRow | undefined): NodeRegisterAnswer {
    const { tunnel, heartbeatS } = this.#parts;
    const hub = tunnel.conplane();
    const answer = { success: true, node_id: node.id, message: null, heartbeat_s: heartbeatS, proto };
    if (hub === undefined || peer === undefined) return { ...answer, wireguard_address: null };
    const isKnown =
      request.known_rosenpass_sha256?.replace(/^sha256:/, '') === hub.rosenpassSha256.replace(/^sha256:/, '');
    const { rosenpass_version: version, rosenpass_ciphertext: ciphertext } = peer;
    return {
      ...answer,
      wireguard_address: `${peer.address}/32`,
      conplane: {
        tunnel_address: hub.tunnelAddress,
        wireguard_public_key: hub.wireguardPublicKey,
        wireguard_endpoint: hub.wireguardEndpoint,
        ...(!isKnown && { rosenpass_public_key: Buffer.from(tunnel.ownKey()).toString('base64') }),
        rosenpass_sha256: hub.rosenpassSha256,
        rosenpass_endpoint: hub.rosenpassEndpoint,
        // Absent, they are V02 and pc188 (K4): what older nodes would not read is not sent to them.
        ...(request.tunnel_caps !== undefined &&
          version !== null && { rosenpass_version: version, rosenpass_ciphertext: ciphertext ?? 'pc188' }),
      },
    };
  }
}

/** K6. @throws FleetError PIN_MISMATCH. */
async function assertMayChange(
  tx: Writer,
  node: NodeRow,
  token: NodeTokenRow,
  was: NodeKeys,
  keys: NodeKeys,
  onRefused: KeyRefused,
): Promise<void> {
  if (token.allow_rekey === 1) return;
  const trusted = (await peerOfNode(tx, node.id))?.trusted_sha256 ?? null;
  if (trusted !== null && trusted === keys.rosenpass) return;
  onRefused(node, was, keys);
  throw new FleetError('PIN_MISMATCH', {
    message: `the keys of this node changed: known are ${keysText(was)}, found ${keysText(keys)}`,
    hint: `labctl tunnel trust ${node.name} ${keys.rosenpass ?? 'sha256:…'}, or a token made with --allow-rekey`,
  });
}

const keysText = ({ wireguard, rosenpass }: NodeKeys): string => `${wireguard} and ${rosenpass ?? 'no Rosenpass key'}`;

type NewNode = {
  request: NodeRegisterRequest;
  token: NodeTokenRow;
  keys: NodeKeys;
  nodeId: string;
  old: NodeRow | undefined;
};

async function writeNode(tx: Writer, { request, token, keys, nodeId, old }: NewNode, now: number): Promise<NodeRow> {
  const told = keptInfo(request.node_info);
  const columns = {
    ...told,
    region: token.region ?? told.region,
    tenant: token.tenant,
    token_hash: token.hash,
    wireguard_public_key: keys.wireguard,
    rosenpass_sha256: keys.rosenpass,
    last_seen_at: now,
    registered_at: now,
  };
  if (old !== undefined) {
    const row = { ...old, ...columns, revision: old.revision + 1 };
    await tx.updateTable('nodes').set(row).where('id', '=', nodeId).execute();
    return row;
  }
  const row: NodeRow = {
    id: nodeId,
    created_at: now,
    revision: 1,
    name: await freeName(tx, token, request.token, nodeId),
    labels: '{}',
    state: 'active',
    status: null,
    mode: null,
    ...columns,
  };
  await tx.insertInto('nodes').values(row).execute();
  return row;
}
