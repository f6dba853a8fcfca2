/**
 * labd's part of a session: joins the channel to a client (or to the replica that has the client) with the one to the
 * agent (or to the replica that has the agent), HB-4 … HB-6, RP-1.
 *
 *     client end ──in──►  relay  ──in──► agent end        each end keeps what it sent until it is credited,
 *     (keeps in) ◄─out──         ◄─out── (keeps out, err)   the relay keeps nothing that an end has to have again
 *
 * Whatever waits here when a socket dies is thrown away, and both ends go back to the counts of the other one:
 *
 *   - the client's side is cut: bytes from the agent are dropped (the tap still sees them). The client's RESUME makes
 *     the relay RESUME the agent on a new channel, which sends again from the client's counts.
 *   - the agent's side is cut: the client's channel is closed as `link-lost`, so the client resumes, and its RESUME
 *     waits here until `agentBack`.
 *   - a replica is killed: a new relay on another one begins with the client's RESUME, nothing else.
 *
 * So every new attachment is a new channel id on both sides, and no frame of before can be taken for one of after.
 * Memory: per stream at most the window lies between the bytes that came and the credits that went.
 */
import { type ChannelFrame, encodeCredit, encodeFrame } from '@labmesh/wire/frame/codec';
import { type CloseReason, frameLimits, type StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit, OpenOk, Received, Resume } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import type { ChannelEnding } from './channel.ts';
import { type First, windowOf } from './first-frame.ts';
import type { RawChannel } from './raw-channel.ts';
import { cutReasons, retryReasons } from './flow/close-reasons.ts';
import { StreamCounts } from './flow/stream-counts.ts';
import { type RelayCore, RelaySide } from './flow/relay-side.ts';

/** Sees what passes, each byte once (the recorder). What it has not consumed is not credited: a slow tap never grows. */
export interface RelayTap {
  /** This relay passes the stream from `offset` on; called before its first data, and after bytes it will not see. */
  begin?(stream: StreamId, offset: number): void;
  /** `offset`: count of the first byte in its stream. */
  data(stream: StreamId, bytes: Uint8Array, offset: number): void;
  resize?(cols: number, rows: number): void;
  exit?(exit: Exit): void;
  close?(ending: ChannelEnding): void;
  /** Count up to which the stream is taken care of; Infinity for one it does not want. Then `relay.tapConsumed()`. */
  consumed(stream: StreamId): number;
}

export type RelayReport = {
  session: string;
  exit: Exit | undefined;
  close: ChannelEnding;
  /** Counts that passed. */
  bytes: Received;
};

export type RelayOptions = {
  session: string;
  /** Begins a channel towards the agent, also through a peer. Undefined: it is not there now; `agentBack` says when. */
  reach: (first: First) => RawChannel | undefined;
  /** What the client is told in place of the agent's OPEN_OK: with token and `recorded`. */
  answer?: (ok: OpenOk) => OpenOk;
  /** Once, when both sides have ended it or `end` was called. */
  ended: (report: RelayReport) => void;
  /** The agent cannot be reached, or was lost, while a client waits: look for it again, then `agentBack` or `end`. */
  agentLost?: () => void;
  /** Serves another replica, which decides and waits: this one ends with either of its channels. */
  passing?: boolean;
  tap?: RelayTap;
  /** Bytes that may lie between what came and what was credited: OPEN says so, for RESUME this (4 MiB). */
  window?: number;
};

const clientGets: readonly StreamId[] = [1, 2];
const agentGets: readonly StreamId[] = [0];
export class ChannelRelay implements RelayCore {
  readonly session: string;
  #options: RelayOptions;
  #window: number;
  #counts = [new StreamCounts(), new StreamCounts(), new StreamCounts()] as const;
  #client: RelaySide | undefined;
  #clientReceived: Received = { in: 0, out: 0, err: 0 };
  #agent: RelaySide | undefined;
  #clientClose: ChannelEnding | undefined;
  #agentClose: ChannelEnding | undefined;
  #exit: Exit | undefined;
  /** What the agent has not been asked yet, or has not answered. */
  #open: Open | undefined;
  #isOver = false;
  #unattended = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.session = options.session;
    this.#window = options.window ?? frameLimits.windowBytesMax;
  }

  get hasClient(): boolean {
    return this.#client !== undefined;
  }
  get hasAgent(): boolean {
    return this.#agent !== undefined;
  }
  /** It goes on without a client. */
  get isUnattended(): boolean {
    return this.#unattended;
  }
  get isOver(): boolean {
    return this.#isOver;
  }
  /** Bytes that wait here for one side or the other. */
  get queuedBytes(): number {
    return (this.#client?.queuedBytes ?? 0) + (this.#agent?.queuedBytes ?? 0);
  }

  /** A client's OPEN, decided and completed by labd. Ends as `agent-offline` when the agent cannot be reached. */
  start(client: RawChannel, open: Open): void {
    this.#window = windowOf(open);
    this.#open = open;
    this.#client = new RelaySide(this, client, clientGets, 'opening');
    client.adopt(this.#client);
    this.agentBack();
    if (this.#agent === undefined) this.end('agent-offline');
  }

  /** A client's RESUME, whose token labd has checked; also the first thing on a relay that replaces another. */
  attachClient(client: RawChannel, resume: Resume): void {
    if (this.#isOver) return client.close('no-session');
    this.#unattended = false;
    this.#client?.raw.close('superseded');
    this.#dropAgent();
    this.#clientClose = undefined;
    this.#clientReceived = resume.received;
    this.#client = new RelaySide(this, client, clientGets, 'resuming');
    client.adopt(this.#client);
    this.agentBack();
    if (this.#agent === undefined) this.#agentLost();
  }

  /** The client leaves a session that goes on without one (EX-8): from here only the tap takes its output. */
  unattend(): void {
    if (this.#isOver || this.#unattended) return;
    this.#unattended = true;
    const client = this.#client;
    this.#client = undefined;
    client?.raw.close('ok');
    for (const stream of clientGets) this.#giveCredit(stream);
  }

  /** The agent may be reached again. */
  agentBack(): void {
    const isWaitedFor = this.#unattended || (this.#client !== undefined && this.#client.state !== 'live');
    if (this.#isOver || !isWaitedFor || this.#agent !== undefined) return;
    const open = this.#open;
    const raw = this.#options.reach(open === undefined ? this.#resume() : { type: 'open', open });
    if (raw === undefined) return;
    this.#agent = new RelaySide(this, raw, agentGets, open === undefined ? 'resuming' : 'opening');
    raw.adopt(this.#agent);
  }

  #resume(): First {
    const received = { in: 0, out: this.#wanted(1), err: this.#wanted(2) };
    return { type: 'resume', resume: { session: this.session, token: '', received } };
  }

  /** From where a stream must come again: from what the client has, and for a new tap from what the agent still has. */
  #wanted(stream: 1 | 2): number {
    if (this.#unattended) return this.#counts[stream].position;
    const received = stream === 1 ? this.#clientReceived.out : this.#clientReceived.err;
    if (this.#options.tap === undefined) return received;
    return Math.min(received, this.#counts[stream].tapped ?? 0);
  }

  /** Ends both sides now: killed, revoked, a failed recording. */
  end(reason: CloseReason, text = ''): void {
    if (this.#isOver) return;
    this.#agent?.raw.close(reason, text);
    this.#client?.raw.close(reason, text);
    // Once the agent has ended the session, that is how it ended, whoever did not come back for the rest.
    this.#over(this.#agentClose ?? { reason, text });
  }

  /** The tap has consumed more. */
  tapConsumed(): void {
    for (const stream of [0, 1, 2] as const) this.#giveCredit(stream);
  }

  sideDown(side: RelaySide): void {
    if (side === this.#client) this.#clientLost();
    else if (side === this.#agent) this.#agentLost();
  }

  #clientLost(): void {
    const wasOpening = this.#client?.state === 'opening';
    this.#client = undefined;
    // It never learnt the session's token, so it cannot come back.
    if (wasOpening) return this.end('cancelled', 'the client left');
    if (this.#options.passing === true) this.end('link-lost');
  }

  /** The agent's channel is gone, or there was none to be had. */
  #agentLost(): void {
    const wasAsked = this.#agent?.state === 'opening';
    this.#agent = undefined;
    // What became of an OPEN that was on its way cannot be known.
    if (this.#options.passing === true || wasAsked) return this.end('link-lost');
    if (this.#client?.state === 'live') {
      this.#client.raw.close('link-lost');
      this.#client = undefined;
    }
    this.#options.agentLost?.();
  }

  #dropAgent(): void {
    this.#agent?.raw.close('link-lost');
    this.#agent = undefined;
  }

  fromSide(side: RelaySide, frame: ChannelFrame, message: Uint8Array): void {
    if (side !== this.#client && side !== this.#agent) return;
    const isClient = side === this.#client;
    if (frame.type === 'close') return this.#onClose(isClient, { reason: frame.reason, text: frame.text });
    if (side.state === 'live') {
      const fault = isClient ? this.#fromClient(frame, message) : this.#fromAgent(frame, message);
      if (fault !== undefined) this.end(fault, `${isClient ? 'client' : 'agent'}: ${frame.type}`);
      return;
    }
    if (!isClient && side.state === 'opening' && frame.type === 'openOk') return this.#onOpenOk(frame.body);
    if (!isClient && side.state === 'resuming' && frame.type === 'resumeOk')
      return this.#onResumeOk(frame.body.received);
    this.end('protocol', `${isClient ? 'client' : 'agent'}: ${frame.type} before the answer`);
  }

  #onOpenOk(ok: OpenOk): void {
    if (this.#client === undefined || this.#agent === undefined) return;
    this.#open = undefined;
    const { raw } = this.#client;
    const body = { ...(this.#options.answer?.(ok) ?? ok), window: Math.min(ok.window, this.#window) };
    raw.sendNow(encodeFrame({ type: 'openOk', channel: raw.id, body }));
    this.#goLive([0, 0, 0]);
  }

  #onResumeOk(there: Received): void {
    const client = this.#client;
    if (this.#unattended) return this.#goLive([there.in, there.out, there.err]);
    if (client === undefined || this.#agent === undefined) return this.#dropAgent();
    const had = this.#clientReceived;
    client.skip[1] = Math.max(0, had.out - there.out);
    client.skip[2] = Math.max(0, had.err - there.err);
    const received = { in: there.in, out: Math.max(had.out, there.out), err: Math.max(had.err, there.err) };
    const { raw } = client;
    raw.sendNow(encodeFrame({ type: 'resumeOk', channel: raw.id, body: { session: this.session, received } }));
    this.#goLive([there.in, there.out, there.err]);
  }

  #goLive(starts: readonly [number, number, number]): void {
    if (this.#agent === undefined || (this.#client === undefined && !this.#unattended)) return;
    this.#agent.state = 'live';
    if (this.#client !== undefined) this.#client.state = 'live';
    this.#agentClose = undefined;
    for (const stream of [0, 1, 2] as const) {
      const counts = this.#counts[stream];
      counts.restart(starts[stream]);
      if (counts.tapped !== undefined && counts.tapped >= counts.position) continue;
      counts.tapped = counts.position;
      this.#options.tap?.begin?.(stream, counts.position);
    }
  }

  #fromClient(frame: ChannelFrame, message: Uint8Array): CloseReason | undefined {
    const agent = this.#agent;
    if (agent === undefined) return undefined;
    switch (frame.type) {
      case 'data':
      case 'eof':
        return frame.stream === 0 ? this.#pass(agent, frame, message) : 'protocol';
      case 'credit':
        return frame.stream === 0 ? 'protocol' : this.#onCredit(frame.stream, frame.count);
      case 'signal':
      case 'resize':
        if (frame.type === 'resize') this.#options.tap?.resize?.(frame.cols, frame.rows);
        agent.raw.sendNow(encodeFrame({ ...frame, channel: agent.raw.id }));
        return undefined;
      default:
        return 'protocol';
    }
  }

  #fromAgent(frame: ChannelFrame, message: Uint8Array): CloseReason | undefined {
    switch (frame.type) {
      case 'data':
      case 'eof':
        return frame.stream === 0 ? 'protocol' : this.#pass(this.#client, frame, message);
      case 'credit':
        return frame.stream === 0 ? this.#onCredit(0, frame.count) : 'protocol';
      case 'exit':
        return this.#onExit(frame.body);
      default:
        return 'protocol';
    }
  }

  /** Bytes and EOF to `side`, or nowhere while that side is cut. */
  #pass(side: RelaySide | undefined, frame: ChannelFrame & { type: 'data' | 'eof' }, message: Uint8Array) {
    const out = side?.outgoing.stream(frame.stream);
    if (frame.type === 'eof') {
      if (out !== undefined) out.ended = true;
      side?.raw.ready();
      return undefined;
    }
    if (out?.ended === true) return 'protocol';
    const counts = this.#counts[frame.stream];
    if (counts.position + frame.bytes.length - counts.credited > this.#window) return 'flow-violation';
    const { tap } = this.#options;
    const fresh = tap === undefined ? undefined : counts.untapped(frame.bytes);
    if (fresh !== undefined) tap?.data(frame.stream, fresh.bytes, fresh.offset);
    counts.position += frame.bytes.length;
    side?.forward(frame.stream, frame.bytes, message);
    // A consumer that was ahead of a re-send is only believed now.
    if (counts.consumed > counts.told || this.#unattended) this.#giveCredit(frame.stream);
    return undefined;
  }

  #onCredit(stream: StreamId, count: number): CloseReason | undefined {
    const counts = this.#counts[stream];
    if (count > counts.position + (this.#client?.skip[stream] ?? 0)) return 'protocol';
    counts.consumed = Math.max(counts.consumed, count);
    this.#giveCredit(stream);
    return undefined;
  }

  /** The smaller of what the receiver and the tap consumed goes to the sender (HB-5). */
  #giveCredit(stream: StreamId): void {
    const counts = this.#counts[stream];
    const sender = stream === 0 ? this.#client : this.#agent;
    if (sender?.state !== 'live') return;
    const consumed = this.#unattended ? counts.position : counts.consumed;
    const count = counts.credit(Math.min(consumed, this.#options.tap?.consumed(stream) ?? Infinity));
    if (count !== undefined) sender.raw.sendNow(encodeCredit(sender.raw.id, stream, count));
  }

  #onExit(exit: Exit): CloseReason | undefined {
    const client = this.#client;
    if (client !== undefined && !client.outgoing.streams.every((stream) => stream.ended)) return 'protocol';
    if (this.#exit === undefined) this.#options.tap?.exit?.(exit);
    this.#exit ??= exit;
    if (client !== undefined) client.outgoing.exit = exit;
    client?.raw.ready();
    return undefined;
  }

  #onClose(isClient: boolean, ending: ChannelEnding): void {
    const side = isClient ? this.#client : this.#agent;
    const other = isClient ? this.#agent : this.#client;
    if (side === undefined) return;
    if (cutReasons.has(ending.reason)) {
      side.raw.forget();
      return this.sideDown(side);
    }
    if (side.state !== 'live') return this.#refused(side, other, ending);
    // The session goes on with a relay on another replica, whoever is still here.
    if (!isClient && ending.reason === 'superseded') return this.end('superseded');
    if (this.#unattended) {
      side.raw.close('ok');
      return this.#over(ending);
    }
    // EX-8: whoever typed a command leaves it to us.
    if (isClient && ending.text === 'detach' && this.#agentClose === undefined) return this.unattend();
    const first = isClient ? this.#agentClose : this.#clientClose;
    if (first !== undefined) {
      // The second CLOSE says that everything before the first one arrived, or that nobody wants it any more.
      if (!side.outgoing.closeIsOut) side.raw.close(ending.reason);
      side.raw.forget();
      other?.raw.close(ending.reason);
      return this.#over(first);
    }
    if (isClient) this.#clientClose = ending;
    else this.#agentClose = ending;
    other?.outgoing.setClose(ending.reason, ending.text);
    other?.raw.ready();
  }

  /** CLOSE in place of an answer, or from a client that does not wait for it. */
  #refused(side: RelaySide, other: RelaySide | undefined, ending: ChannelEnding): void {
    side.raw.forget();
    if (side === this.#agent && retryReasons.has(ending.reason) && this.#options.passing !== true) {
      // An OPEN that was refused like this reached nobody: it may be asked again.
      side.state = 'resuming';
      if (this.#open === undefined || this.#options.agentLost !== undefined) return this.#agentLost();
    }
    // The agent ended the session while the client was away: that is the reason, not that it is forgotten.
    const known = ending.reason === 'no-session' ? (this.#agentClose ?? ending) : ending;
    other?.raw.close(known.reason, known.text);
    this.#over(known);
  }

  #over(close: ChannelEnding): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#client = this.#agent = undefined;
    this.#options.tap?.close?.(close);
    const [input, output, errors] = this.#counts;
    const bytes = { in: input.position, out: output.position, err: errors.position };
    this.#options.ended({ session: this.session, exit: this.#exit, close, bytes });
  }
}
