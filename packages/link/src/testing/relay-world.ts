/**
 * A small fleet in memory: one agent, one client and some replicas of labd, with links that may be cut between any two
 * messages, replicas that may be killed, and a peer link when agent and client are on different ones. Drives the real
 * Link, ChannelEnd and ChannelRelay.
 */
import { randomBytes } from 'node:crypto';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Open } from '@labmesh/wire/frame/open';
import { ChannelEnd } from '../channel-end.ts';
import { ChannelRelay, type RelayReport, type RelayTap } from '../channel-relay.ts';
import type { First, PeerFirst } from '../first-frame.ts';
import { Link, type LinkHandlers, LinkRefused } from '../link.ts';
import type { RawChannel } from '../raw-channel.ts';
import { testHello, testHelloOk } from './link-pair.ts';
import { MemorySocket } from './socket-pair.ts';

const principal = { kind: 'user' as const, id: 'u1', name: 'alice' };
const agentId = '01900000-0000-7000-8000-00000000000a';
export const session = '01900000-0000-7000-8000-00000000000c';
export const token = 'AAAAAAAAAAAAAAAAAAAAAA';

type Wire = { near: Link; far: Link; cut: () => void; /** False: it was cut before. */ greeted: Promise<boolean> };

/** Two links that greet each other in the next turns; `far` accepts and opens even channels. */
function wire(nearHandlers: LinkHandlers, farHandlers: LinkHandlers, turn: () => number): Wire {
  const [a, b] = MemorySocket.pair();
  a.perTurn = b.perTurn = turn;
  const far = new Link(b, farHandlers, { side: 'even' });
  const near = new Link(a, nearHandlers, { side: 'odd' });
  const greeted = near.hello(testHello).then(
    () => true,
    () => false,
  );
  return { near, far, cut: () => a.terminate(), greeted };
}

/** What a tap saw, with where each part began. */
export type Part = { stream: StreamId; offset: number; bytes: Uint8Array };

export class Replica {
  readonly relays = new Map<string, ChannelRelay>();
  agent: Wire | undefined;
  peer: Wire | undefined;
  isAlive = true;
  readonly world: World;
  constructor(world: World) {
    this.world = world;
  }

  relay(name: string): ChannelRelay {
    const found = this.relays.get(name);
    if (found !== undefined && !found.isOver) return found;
    const made: ChannelRelay = new ChannelRelay({
      session: name,
      reach: (first) => this.#reach(first),
      answer: (ok) => ({ ...ok, token }),
      // As labd does: a moment later it looks again.
      agentLost: () => setTimeout(() => made.agentBack(), 1),
      ended: (report) => this.world.reports.push(report),
      ...(this.world.tapFor !== undefined && { tap: this.world.tapFor(() => made) }),
    });
    this.relays.set(name, made);
    return made;
  }

  #reach(first: First): RawChannel | undefined {
    if (this.agent?.far.isUp === true) return opened(this.agent.far, first);
    const other = this.world.replicas.find((one) => one !== this && one.isAlive && one.agent?.far.isUp === true);
    if (other === undefined || !this.isAlive) return undefined;
    this.peer ??= this.world.peerWire(this, other);
    return opened(this.peer.near, { type: 'peer', principal, agentId, first });
  }

  /** A client's link. */
  serve(raw: RawChannel, first: First): void {
    if (first.type === 'open') return this.relay(session).start(raw, first.open);
    this.relay(first.resume.session).attachClient(raw, first.resume);
  }

  /** A peer's link: one relay an attachment, to the agent that is here or to none (RP-1). */
  pass(raw: RawChannel, asked: PeerFirst): void {
    const { agent } = this;
    if (asked.type === 'node' || agent?.far.isUp !== true) return raw.close('agent-offline');
    const { first } = asked;
    const reach = (wanted: First) => opened(agent.far, wanted);
    const relay = new ChannelRelay({ session, reach, passing: true, ended: () => {} });
    if (first.type === 'open') relay.start(raw, first.open);
    else relay.attachClient(raw, first.resume);
  }
}

function opened(link: Link, first: First | PeerFirst): RawChannel | undefined {
  try {
    return link.open(first);
  } catch (error) {
    if (error instanceof LinkRefused) return undefined;
    throw error;
  }
}

export class World {
  readonly replicas: Replica[];
  readonly reports: RelayReport[] = [];
  /** Faults that a handler threw: none, ever. */
  readonly faults: unknown[] = [];
  tapFor: ((relay: () => ChannelRelay) => RelayTap) | undefined;
  agentEnd: ChannelEnd | undefined;
  onAgentOpen: ((end: ChannelEnd) => void) | undefined;
  #random: () => number;

  constructor(replicas: number, random: () => number) {
    this.#random = random;
    this.replicas = Array.from({ length: replicas }, () => new Replica(this));
  }

  /** How many messages a socket moves in one turn of the loop. */
  readonly #turn = () => 1 + Math.floor(this.#random() * 8);
  readonly #fault = (_link: Link, error: unknown): void => {
    this.faults.push(error);
  };

  wake(): void {
    for (const replica of this.replicas) for (const relay of replica.relays.values()) relay.agentBack();
  }

  connectAgent(replica: Replica): void {
    replica.agent?.cut();
    const agent: LinkHandlers = {
      first: (_link, raw, first) => this.#agentFirst(raw, first),
      fault: this.#fault,
    };
    const labd: LinkHandlers = {
      hello: (link) => {
        link.accept(testHelloOk);
        this.wake();
      },
      fault: this.#fault,
    };
    replica.agent = wire(agent, labd, this.#turn);
  }

  #agentFirst(raw: RawChannel, first: First): void {
    if (first.type === 'resume') {
      if (this.agentEnd === undefined) return raw.close('no-session');
      return this.agentEnd.resumeFrom(raw, first.resume);
    }
    this.agentEnd = ChannelEnd.accept(raw, first.open, { session });
    this.onAgentOpen?.(this.agentEnd);
  }

  connectClient(replica: Replica): Wire {
    const labd: LinkHandlers = {
      hello: (link) => link.accept(testHelloOk),
      first: (_link, raw, first) => replica.serve(raw, first),
      fault: this.#fault,
    };
    return wire({ fault: this.#fault }, labd, this.#turn);
  }

  peerWire(from: Replica, to: Replica): Wire {
    const near: LinkHandlers = {
      closed: () => {
        from.peer = undefined;
        setImmediate(() => this.wake());
      },
      fault: this.#fault,
    };
    const far: LinkHandlers = {
      hello: (link) => {
        link.accept(testHelloOk);
        setImmediate(() => this.wake());
      },
      peerFirst: (_link, raw, first) => to.pass(raw, first),
      fault: this.#fault,
    };
    return wire(near, far, this.#turn);
  }

  /** kill -9: its sockets and everything it knew are gone. */
  kill(replica: Replica): Replica {
    replica.isAlive = false;
    replica.agent?.cut();
    replica.peer?.cut();
    for (const other of this.replicas) other.peer?.cut();
    const fresh = new Replica(this);
    this.replicas[this.replicas.indexOf(replica)] = fresh;
    return fresh;
  }
}

export const execOpen: Open = {
  kind: 'exec',
  server: 'test',
  shell: 'true',
  env: {},
  tty: null,
  stdin: true,
  detach: false,
  keepChildren: false,
  noRecord: false,
};

/** A small, fast, seeded source of chance: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Bytes to send and to compare with. */
export const someBytes = (size: number): Buffer => randomBytes(size);
