/**
 * Registration of a node (N3, tunnel K3…K6). The token says which node it is, never the node itself:
 *
 *     keys read ─▶ may they? ─▶ key's file ─▶ one transaction: token bound, node and peer written ─▶ peer in the device ─▶ answer
 *
 * The same token with the same keys gives the same node again, also when the first answer was lost.
 */
import type { Reader, Writer } from '@labmesh/store/store';
import { isLostRace } from '@labmesh/store/store-errors';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import type { NodeRegisterAnswer, NodeRegisterRequest } from '@labmesh/wire/node';
import { Turns } from '../login/turns.ts';
import type { World } from '../settings/world.ts';
import { assertKeysFree, assertMayChange, keysBefore, keysInUse, type KeyRefused } from './key-rules.ts';
import { type NodeKeys, readNodeKeys } from './node-keys.ts';
import { liveNodeToken, type NodeTokenRow } from './tokens/node-token-rows.ts';
import type { NodeTunnel, TunnelPeerRow } from './node-tunnel.ts';
import { peerOfNode, type PeerPlace, savePeer } from './peer-rows.ts';
import type { PublicKeyFiles } from './public-key-files.ts';
import { keyWanted, registerAnswer } from './register-answer.ts';
import { writeNode } from './write-node.ts';

export type RegisterParts = PeerPlace & {
  store: World['store'];
  clock: World['clock'];
  files: PublicKeyFiles;
  tunnel: NodeTunnel;
  heartbeatS: number;
};

/** What became of it, for audit and events. `was`: keys that it had before, when they changed. */
export type Registered = {
  answer: NodeRegisterAnswer;
  node?: { id: string; name: string };
  isNew: boolean;
  keys?: NodeKeys;
  was?: NodeKeys;
};

type Saved = {
  node: { id: string; name: string };
  isNew: boolean;
  was: NodeKeys | undefined;
  peer: TunnelPeerRow | undefined;
};

const worker = system('nodes');
const racesMax = 5;
/** Registrations behind the one that is written. */
const waitingMax = 1_024;

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
    const { whole, ...keys } = readNodeKeys(request);
    // Half a megabyte is kept of nobody who is turned away then.
    await this.#parts.store.read(worker, (db) => this.#judge(db, request, keys, onRefused));
    if (whole !== undefined) await files.write(whole);
    else if (keys.rosenpass !== null && !(await files.keep(keys.rosenpass)))
      return { answer: keyWanted(heartbeatS), isNew: false };
    const { node, isNew, was, peer } = await this.#save(request, keys, onRefused);
    if (peer !== undefined) await tunnel.setPeer(peer);
    const answer = registerAnswer(request, node.id, peer, this.#parts);
    return { answer, node, isNew, keys, ...(was !== undefined && { was }) };
  }

  /** Two replicas that write the same address, name or key at once: one of them goes again. */
  async #save(request: NodeRegisterRequest, keys: NodeKeys, onRefused: KeyRefused): Promise<Saved> {
    const write = () => this.#parts.store.write(worker, (tx) => this.#write(tx, request, keys, onRefused));
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#turns.run(write);
      } catch (error) {
        if (attempt === racesMax || !isLostRace(error)) throw error;
      }
    }
  }

  /** Whether this token may bring these keys; which node it is. */
  async #judge(db: Reader, request: NodeRegisterRequest, keys: NodeKeys, onRefused: KeyRefused) {
    const token = await liveNodeToken(db, request.token, this.#parts.clock.wall());
    const nodeId = token.node_id ?? uuidv7();
    const old = await db.selectFrom('nodes').selectAll().where('id', '=', nodeId).executeTakeFirst();
    await assertKeysFree(db, nodeId, keys);
    const peer = await peerOfNode(db, nodeId);
    const was = keysBefore(old, keys, peer?.next_wireguard_public_key);
    if (old !== undefined && was !== undefined) await assertMayChange(db, old, token, was, keys, onRefused);
    return { token, nodeId, old, was, inUse: keysInUse(keys, peer, this.#parts.tunnel) };
  }

  async #write(tx: Writer, request: NodeRegisterRequest, keys: NodeKeys, onRefused: KeyRefused): Promise<Saved> {
    const { clock, tunnel } = this.#parts;
    const now = clock.wall();
    const { token, nodeId, old, was, inUse } = await this.#judge(tx, request, keys, onRefused);
    const node = await writeNode(tx, { request, token, keys: inUse, nodeId, old }, now);
    await tx
      .updateTable('node_tokens')
      .set((row) => ({ node_id: nodeId, used_at: now, revision: row('revision', '+', 1) }))
      .where('id', '=', token.id)
      .execute();
    const hub = tunnel.conplane();
    if (hub === undefined) return { node, isNew: old === undefined, was, peer: undefined };
    const wish = { nodeId, name: node.name, keys: inUse, request };
    return { node, isNew: old === undefined, was, peer: await savePeer(tx, wish, this.#parts, now) };
  }
}
