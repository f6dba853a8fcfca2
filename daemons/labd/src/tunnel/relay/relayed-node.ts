/**
 * A node of another replica's hub, answered here at its own tunnel address and port (H6): each connection of a process of
 * this machine is a channel to that replica. Nobody else gets in: who comes from elsewhere cannot have the address itself
 * for a source, which is what the kernel gives to a connection within one machine.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { type Link, LinkRefused } from '@labmesh/link/link';
import { ApiError } from '@labmesh/wire/errors';
import { system } from '@labmesh/wire/fleet/principal';
import { joinSocket } from './join-socket.ts';
import { refuseHttp } from './refuse-http.ts';
import type { RelayCounts, RelayResult } from './relay-counts.ts';
import type { ReplicaShares } from './replica-shares.ts';

/** Of all nodes together: RELAYED_OUT. */
export const relayedOutMax = 1_024;
/** Of one node, which may be slow, among them: the others keep their places. */
const relayedOutPerNodeMax = 512;
/** Of all nodes of one replica, which may be slow, too, or mean it. */
export const relayedOutPerReplicaMax = 768;
/** Connections that are told why, of all nodes together; those beyond are only closed. */
const refusingMax = 256;
/** Longer than the other replica waits for its node, so that its word comes first. */
const openMs = 15_000;
/** Of what another replica says. */
const saidMax = 200;
const principal = system('tunnel-relay');

export type NodePlace = { id: string; name: string; address: string; port: number; replicaId: string };

export type RelayedNodeParts = {
  /** The link to a replica; undefined: it is not live, or does not answer. */
  reach: (replicaId: string) => Promise<Link | undefined>;
  counts: RelayCounts;
  /** Of `relayedOutPerReplicaMax`; one for all nodes. */
  shares: ReplicaShares;
  /** `error` undefined: it is reached again. Told at each change alone. */
  onChange: (place: NodePlace, error: string | undefined) => void;
};

/** Fit for a line of a terminal and of the log: it is another machine's, and must not look like words of ours. */
const said = (text: string): string =>
  text
    .slice(0, saidMax)
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}]+/gu, ' ')
    .toWellFormed();

/** What is told to the client, the log and the operator: which replica, and the way out. */
function textOf({ replicaId }: NodePlace, ending: ChannelEnding | undefined): string {
  const holder = `replica ${replicaId}, whose hub has this node,`;
  const registers = 'it is reached again when that replica is back, or when the node has registered at another one';
  if (ending === undefined) return `${holder} cannot be reached from here; ${registers}`;
  const { reason } = ending;
  const text = said(ending.text);
  const why = text === '' ? reason : `${reason}, ${text}`;
  if (reason === 'agent-offline')
    return `${holder} does not have it (any more): ${why}; \`labctl get nodes\` there tells more`;
  if (reason === 'protocol') return `${holder} runs a release that relays to no node: ${why}; update it`;
  return `${holder} does not get through to it: ${why}; \`labctl tunnel show\` there tells more`;
}

/** Undefined: there is no link. */
function endingOf(error: unknown): ChannelEnding | undefined {
  if (error instanceof ChannelClosed) return error.ending;
  const isFull = error instanceof LinkRefused && error.reason === 'limit';
  return isFull ? { reason: 'limit', text: 'the link to it has no channel left' } : undefined;
}

export class RelayedNode implements Disposable {
  readonly place: NodePlace;
  readonly #parts: RelayedNodeParts;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Of these, those that are relayed or about to be. */
  #relayed = 0;
  #error: { reason: string; text: string } | undefined;

  private constructor(place: NodePlace, parts: RelayedNodeParts) {
    this.place = place;
    this.#parts = parts;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => {
      this.#take(socket);
    });
  }

  /** Listens at the address, which this machine has to answer already. @throws the bind's error */
  static async listen(place: NodePlace, parts: RelayedNodeParts): Promise<RelayedNode> {
    const node = new RelayedNode(place, parts);
    await new Promise<void>((resolve, reject) => {
      node.#server.once('error', reject);
      node.#server.listen({ host: place.address, port: place.port }, resolve);
    });
    // What befalls it later shows by the connections that do not come; it ends nothing else.
    node.#server.on('error', () => {});
    return node;
  }

  get connections(): number {
    return this.#relayed;
  }
  /** Why the last connection could not be relayed; undefined when it could, or none was asked for. */
  get error(): string | undefined {
    return this.#error?.text;
  }

  #take(socket: Socket): void {
    const { counts, shares } = this.#parts;
    const { replicaId } = this.place;
    socket.on('error', () => {});
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    if (socket.remoteAddress !== this.place.address) {
      socket.destroy();
      return counts.ended('asking', 'refused');
    }
    if (counts.open.asking >= relayedOutMax || this.#relayed >= relayedOutPerNodeMax) {
      const text = `RELAYED_OUT: ${counts.open.asking} connections are relayed here, ${this.#relayed} of them to this node`;
      this.#refuse(socket, new ApiError('node_busy', { message: text }));
      return counts.ended('asking', 'limit');
    }
    if (!shares.take(replicaId)) {
      const text = `RELAYED_OUT: ${relayedOutPerReplicaMax} connections are relayed here through replica ${replicaId}`;
      this.#refuse(socket, new ApiError('node_busy', { message: text }));
      return counts.ended('asking', 'limit');
    }
    counts.open.asking++;
    this.#relayed++;
    void this.#relay(socket).then((result) => {
      counts.open.asking--;
      this.#relayed--;
      shares.giveBack(replicaId);
      counts.ended('asking', result);
    });
  }

  #refuse(socket: Socket, error: ApiError): void {
    const { counts } = this.#parts;
    // Its 'close' was told already, and would never end what is counted here.
    if (socket.destroyed) return;
    if (counts.refusing >= refusingMax) return void socket.destroy();
    counts.refusing++;
    socket.once('close', () => counts.refusing--);
    refuseHttp(socket, error);
  }

  /** Never rejects. */
  async #relay(socket: Socket): Promise<RelayResult> {
    const { counts } = this.#parts;
    let channel: ChannelEnd;
    try {
      channel = await this.#open();
    } catch (error) {
      const ending = endingOf(error);
      const text = textOf(this.place, ending);
      this.#note({ reason: ending?.reason ?? 'no link', text });
      this.#refuse(socket, new ApiError('node_hub_unreachable', { message: text }));
      return 'failed';
    }
    this.#note(undefined);
    const ending = await joinSocket('asking', socket, channel, (bytes) => (counts.bytes.asking += bytes));
    return ending.reason === 'ok' ? 'ok' : 'failed';
  }

  /** @throws ChannelClosed with the other replica's reason; Error when there is no link to it */
  async #open(): Promise<ChannelEnd> {
    const { address, replicaId } = this.place;
    const link = await this.#parts.reach(replicaId);
    if (link === undefined) throw new LinkRefused('down');
    const channel = ChannelEnd.open(link, { type: 'node', principal, address });
    const timer = setTimeout(() => channel.abort('timeout', 'it did not answer in time'), openMs);
    try {
      await channel.opened;
      return channel;
    } finally {
      clearTimeout(timer);
    }
  }

  /** By the reason: of its words another replica has new ones for each connection. */
  #note(error: { reason: string; text: string } | undefined): void {
    if (error?.reason === this.#error?.reason) return;
    this.#error = error;
    this.#parts.onChange(this.place, error?.text);
  }

  /** Nothing listens any more; connections are reset, for what they led to is elsewhere now, and what came is not all. */
  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}
