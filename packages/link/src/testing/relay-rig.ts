/** A relay between two links whose far ends are a test's: real ends, or bare channels that speak frame by frame. */
import { type ChannelFrame, encodeFrame } from '@labmesh/wire/frame/codec';
import { frameLimits, type StreamId } from '@labmesh/wire/frame/frame-types';
import { ChannelEnd } from '../channel-end.ts';
import { ChannelRelay, type RelayOptions, type RelayReport } from '../channel-relay.ts';
import type { First } from '../first-frame.ts';
import type { LinkHandlers } from '../link.ts';
import type { RawChannel } from '../raw-channel.ts';
import { settle } from './direct.ts';
import { linkPair } from './link-pair.ts';
import { execOpen, session, token } from './relay-world.ts';

/** A bare channel: what came, and a way to answer by hand. */
export class Bare {
  readonly raw: RawChannel;
  readonly got: ChannelFrame[] = [];
  constructor(raw: RawChannel) {
    this.raw = raw;
    raw.adopt({ onFrame: (frame) => void this.got.push(frame), pull: () => undefined, onDown: () => {} });
  }
  send(frame: ChannelFrame): void {
    this.raw.sendNow(encodeFrame({ ...frame, channel: this.raw.id }));
  }
  credits(stream: StreamId): number[] {
    return this.got.flatMap((frame) => (frame.type === 'credit' && frame.stream === stream ? [frame.count] : []));
  }
}

/** One relay between two links, whose far ends are the test's. */
export class Rig {
  readonly reports: RelayReport[] = [];
  readonly relay: ChannelRelay;
  readonly agents: Bare[] = [];
  agentEnd: ChannelEnd | undefined;
  /** What the agent does with OPEN and RESUME; bare channels by default. */
  onAgent: (raw: RawChannel, first: First) => void = (raw) => void this.agents.push(new Bare(raw));
  reachable = true;
  readonly client;
  readonly agent;

  constructor(options: Partial<RelayOptions> = {}) {
    const first: LinkHandlers['first'] = (_link, raw, what) => {
      if (what.type === 'open') this.relay.start(raw, what.open);
      else this.relay.attachClient(raw, what.resume);
    };
    this.client = linkPair({ first });
    this.agent = linkPair({}, { first: (_link, raw, what) => this.onAgent(raw, what) });
    this.relay = new ChannelRelay({
      session,
      reach: (what) => (this.reachable ? this.agent.labd.open(what) : undefined),
      answer: (ok) => ({ ...ok, token }),
      ended: (report) => this.reports.push(report),
      ...options,
    });
  }

  /** The agent as a real end. */
  withEnd(): this {
    this.onAgent = (raw, first) => {
      if (first.type === 'open') this.agentEnd = ChannelEnd.accept(raw, first.open, { session });
      else this.agentEnd?.resumeFrom(raw, first.resume);
    };
    return this;
  }

  /** A bare client, its OPEN answered. */
  async bareClient(): Promise<[Bare, Bare]> {
    const client = new Bare(this.client.other.open({ type: 'open', open: execOpen }));
    await settle();
    const [agent] = this.agents;
    if (agent === undefined) throw new Error('nothing was opened at the agent');
    agent.send({ type: 'openOk', channel: 0, body: { session, window: frameLimits.windowBytes } });
    await settle();
    return [client, agent];
  }

  async clientEnd(): Promise<ChannelEnd> {
    const end = ChannelEnd.open(this.client.other, execOpen);
    await end.opened;
    return end;
  }
}
