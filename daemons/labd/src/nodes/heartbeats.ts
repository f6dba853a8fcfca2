/**
 * Heartbeats of nodes (N5): what a node says of itself, and that it was heard now. Written many at a time, so that a fleet
 * that beats costs the store a few transactions a second; a beat is answered once it stands.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { NodeHeartbeatAnswer, NodeHeartbeatRequest } from '@labmesh/wire/node';
import { Batch } from '../limits/batch.ts';
import type { World } from '../settings/world.ts';
import { keptBeat } from './node-report.ts';
import { banned } from './node-rows.ts';
import type { NodeTunnel } from './node-tunnel.ts';
import type { NodeTokenRow } from './tokens/node-token-rows.ts';

/** The hub of this replica: a node sees by its keys that they change (tunnel K8). */
export type HeartbeatsParts = Pick<World, 'store' | 'clock'> & { tunnel: Pick<NodeTunnel, 'conplane'> };

type Beat = { nodeId: string; request: NodeHeartbeatRequest };

const worker = system('node-heartbeats');
const groupMax = 256;
/** Beats that wait for the store. */
const waitingMax = 4_096;
const againMs = 5_000;

export class Heartbeats implements AsyncDisposable {
  readonly #parts: HeartbeatsParts;
  readonly #batch: Batch<Beat, 'heard' | 'banned' | 'unknown'>;
  #waiting = 0;

  constructor(parts: HeartbeatsParts) {
    this.#parts = parts;
    this.#batch = new Batch(groupMax, (beats) => this.#write(beats));
  }

  /**
   * A beat of the node that the token is bound to.
   * @throws FleetError PERMISSION_DENIED when it names another node, NOT_FOUND: it must register first, BANNED,
   *   RATE_LIMITED while the store is too slow.
   */
  async beat(token: NodeTokenRow, request: NodeHeartbeatRequest): Promise<NodeHeartbeatAnswer> {
    const mustRegister = () => new FleetError('NOT_FOUND', { message: 'this node is not known; register first' });
    if (token.node_id === null) throw mustRegister();
    if (request.node_id !== token.node_id)
      throw new FleetError('PERMISSION_DENIED', { field: 'node_id', message: 'this token is for another node' });
    if (this.#waiting >= waitingMax) throw new FleetError('RATE_LIMITED', { retryAfterMs: againMs });
    this.#waiting++;
    const outcome = await this.#batch.add({ nodeId: token.node_id, request }).finally(() => this.#waiting--);
    if (outcome === 'banned') throw banned();
    if (outcome === 'unknown') throw mustRegister();
    return { success: true, message: null, requested_state: null, ...this.#hubKeys() };
  }

  #hubKeys(): Pick<NodeHeartbeatAnswer, 'conplane'> {
    const hub = this.#parts.tunnel.conplane();
    if (hub === undefined) return {};
    const { rosenpassSha256, nextRosenpassSha256: next, previousRosenpassSha256: previous } = hub;
    const { wireguardPublicKey, nextWireguardPublicKey: nextWireguard } = hub;
    return {
      conplane: {
        rosenpass_sha256: rosenpassSha256,
        ...(next !== undefined && { next_rosenpass_sha256: next }),
        ...(previous !== undefined && { previous_rosenpass_sha256: previous }),
        wireguard_public_key: wireguardPublicKey,
        ...(nextWireguard !== undefined && { next_wireguard_public_key: nextWireguard }),
      },
    };
  }

  #write(beats: readonly Beat[]): Promise<('heard' | 'banned' | 'unknown')[]> {
    const { store, clock } = this.#parts;
    return store.write(worker, async (tx) => {
      const now = clock.wall();
      const outcomes: ('heard' | 'banned' | 'unknown')[] = [];
      for (const { nodeId, request } of beats) {
        const heard = await tx
          .updateTable('nodes')
          .set({ ...keptBeat(request), last_seen_at: now })
          .where('id', '=', nodeId)
          .where('state', '=', 'active')
          // A ban took its peer away: it has to come in by the door again.
          .where('registered_at', 'is not', null)
          .executeTakeFirst();
        const row =
          heard.numUpdatedRows > 0n
            ? undefined
            : await tx.selectFrom('nodes').select('state').where('id', '=', nodeId).executeTakeFirst();
        outcomes.push(heard.numUpdatedRows > 0n ? 'heard' : row?.state === 'banned' ? 'banned' : 'unknown');
      }
      return outcomes;
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#batch.settled();
  }
}
