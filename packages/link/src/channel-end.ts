/**
 * A session's end, at the agent (`accept`) and in labctl (`open`): a Channel that lives on one raw channel after
 * another (HB-4, HB-6, HB-7).
 *
 *     handler ◄── incoming (≤ window, credits back) ◄──┐
 *                                                       raw channel of the moment
 *     writer  ──► outgoing (≤ window, kept till credited) ──┘
 *
 * Ending takes two: whoever closes keeps everything until the other side's CLOSE says that all of it arrived, so a cut
 * in the last moment loses neither output nor EXIT. CLOSE `link-lost` and `peer-lost` mean a cut further on, not the
 * end. Only the opener resumes; the acceptor waits to be found.
 */
import { type ChannelFrame, encodeCredit, encodeFrame } from '@labmesh/wire/frame/codec';
import { type CloseReason, frameLimits, type SignalName, type StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit, OpenOk, Received, Resume } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { type DeadlineEntry, Deadlines } from '@labmesh/kit/deadlines';
import { type Channel, ChannelClosed, type ChannelEnding, type ChannelHandlers } from './channel.ts';
import { type NodeFirst, windowOf } from './first-frame.ts';
import { cutReasons, retryReasons } from './flow/close-reasons.ts';
import { BothWays } from './flow/both-ways.ts';
import type { Fault, IncomingHost } from './flow/incoming.ts';
import type { Link } from './link.ts';
import { KeptSignals } from './flow/kept-signals.ts';
import type { RawChannel, RawOwner } from './raw-channel.ts';

/** Credit for less than a quarter window waits this long for more. */
const creditDelayMs = 200;
/** One interval for all ends: it sends the credits that are due. */
const creditTimer = new Deadlines();

export type AcceptOptions = {
  session: string;
  /** Window that is granted for stream `in`; the opener's wish by default. */
  windowMax?: number;
  /** More for OPEN_OK: `token`, `offset`, `dropped`, `recorded`. */
  more?: Omit<Partial<OpenOk>, 'session' | 'window'>;
};

export class ChannelEnd implements Channel, RawOwner, IncomingHost, DeadlineEntry {
  readonly closed: Promise<ChannelEnding>;
  /** The opener's answer; rejects with ChannelClosed. */
  readonly opened: Promise<OpenOk>;
  deadline = 0;
  #session: string;
  #isOpener: boolean;
  #raw: RawChannel | undefined;
  #mode: 'opening' | 'resuming' | 'up' | 'cut' | 'ended';
  #handlers: ChannelHandlers | undefined;
  #streams: BothWays;
  #exit: Exit | undefined;
  #exitDelivered = false;
  #localClose: ChannelEnding | undefined;
  #peerClose: ChannelEnding | undefined;
  #ending: ChannelEnding | undefined;
  #kept = new KeptSignals();
  #resumed: ((isUp: boolean) => void) | undefined;
  #opening = Promise.withResolvers<OpenOk>();
  #ended = Promise.withResolvers<ChannelEnding>();

  private constructor(raw: RawChannel, isOpener: boolean, session: string, sendWindow: number, receiveWindow: number) {
    this.#isOpener = isOpener;
    this.#session = session;
    this.#mode = isOpener ? 'opening' : 'up';
    this.#streams = new BothWays(isOpener, sendWindow, receiveWindow, this);
    this.closed = this.#ended.promise;
    this.opened = this.#opening.promise;
    // Whoever does not wait for the answer sees the ending by `closed`.
    this.opened.catch(() => {});
    creditTimer.add(this);
    this.#raw = raw;
  }

  /** Asks for a session, or another replica for a node of its hub. @throws LinkRefused */
  static open(link: Link, open: Open | NodeFirst): ChannelEnd {
    const window = windowOf(open);
    const raw = link.open('kind' in open ? { type: 'open', open } : open);
    const end = new ChannelEnd(raw, true, '', 0, window);
    raw.adopt(end);
    return end;
  }

  /** Answers an OPEN with OPEN_OK. */
  static accept(raw: RawChannel, open: Open | NodeFirst, options: AcceptOptions): ChannelEnd {
    const window = windowOf(open);
    const inWindow = Math.min(window, options.windowMax ?? frameLimits.windowBytesMax);
    const end = new ChannelEnd(raw, false, options.session, window, inWindow);
    const body = { ...options.more, session: options.session, window: inWindow };
    raw.sendNow(encodeFrame({ type: 'openOk', channel: raw.id, body }));
    raw.adopt(end);
    return end;
  }

  get session(): string {
    return this.#session;
  }
  get received(): Received {
    return this.#streams.received;
  }
  get sent(): Received {
    return this.#streams.sent;
  }
  get isCut(): boolean {
    return this.#mode === 'cut' || this.#mode === 'resuming';
  }
  get isEnded(): boolean {
    return this.#mode === 'ended';
  }
  /** Memory of what waits here, both directions. */
  get memoryBytes(): number {
    return this.#streams.memoryBytes;
  }

  handle(handlers: ChannelHandlers): void {
    this.#handlers = handlers;
    if (this.#ending !== undefined) return handlers.close?.(this.#ending);
    for (const stream of this.#streams.incoming) stream.open();
    this.rested();
  }

  async write(stream: StreamId, bytes: Uint8Array): Promise<void> {
    const out = this.#streams.out(stream);
    const ending = this.#ending ?? this.#localClose ?? this.#peerClose;
    if (ending !== undefined) throw new ChannelClosed(ending);
    if (out.ended) throw new TypeError('the stream was ended');
    const written = out.write(bytes);
    this.#raw?.ready();
    return written;
  }

  end(stream: StreamId): void {
    this.#streams.out(stream).ended = true;
    this.#raw?.ready();
  }

  /** Goes at once, past the data that waits: an INT must not stand behind a megabyte of stdin. */
  sendSignal(name: SignalName): void {
    this.#kept.signal(name);
    this.#sendKept();
  }

  sendResize(cols: number, rows: number): void {
    this.#kept.resize(cols, rows);
    this.#sendKept();
  }

  sendExit(exit: Exit): void {
    this.#streams.outgoing.exit = exit;
    this.#raw?.ready();
  }

  close(reason: CloseReason, text = ''): void {
    if (this.#ending !== undefined || this.#localClose !== undefined || this.#peerClose !== undefined) return;
    if (this.#mode === 'opening') return this.abort(reason, text);
    this.#localClose = { reason, text };
    this.#streams.outgoing.setClose(reason, text);
    // Only a good ending waits for writers that the window still keeps out.
    if (reason !== 'ok') this.#streams.outgoing.rejectWriters(new ChannelClosed(this.#localClose));
    for (const stream of this.#streams.incoming) stream.discard();
    this.#raw?.ready();
  }

  /** Ends now: nothing that waits is sent, only CLOSE when there is a link. */
  abort(reason: CloseReason, text = ''): void {
    this.#raw?.close(reason, text);
    this.#end({ reason, text });
  }

  /**
   * The opener goes on over another link, or the same. True: it is up again. False: not yet, or it has ended (see
   * `closed`). @throws LinkRefused
   */
  resumeOn(link: Link, proof: { token: string; principal?: string }): Promise<boolean> {
    if (!this.#isOpener || this.#mode === 'opening' || this.#mode === 'ended') return Promise.resolve(false);
    const resume = { ...proof, session: this.#session, received: this.received };
    const raw = link.open({ type: 'resume', resume });
    this.#leave('link-lost');
    this.#mode = 'resuming';
    this.#raw = raw;
    return new Promise((resolve) => {
      this.#resumed = resolve;
      raw.adopt(this);
    });
  }

  /** The acceptor is found again: `resume` came on `raw`. The one before is left. */
  resumeFrom(raw: RawChannel, resume: Resume): void {
    if (this.#isOpener || this.#ending !== undefined) return raw.close('no-session');
    const starts = this.#streams.startsFor(resume.received);
    if (starts === undefined) return raw.close('protocol', 'RESUME counts bytes that were not sent');
    // A relay that lives on another replica is told that nobody comes back to it.
    this.#leave('superseded');
    this.#raw = raw;
    const received = { ...starts, in: this.received.in };
    raw.sendNow(encodeFrame({ type: 'resumeOk', channel: raw.id, body: { session: this.#session, received } }));
    this.#goOn(starts);
    raw.adopt(this);
  }

  #leave(reason: 'link-lost' | 'superseded'): void {
    this.#raw?.close(reason);
    this.#raw = undefined;
    if (this.#mode === 'up') this.#lost();
  }

  /** The link is back: both directions go on from the counts agreed. */
  #goOn(starts: Received): void {
    this.#mode = 'up';
    this.#streams.goOn(starts);
    this.#kept.rewind();
    this.#sendKept();
    this.#raw?.ready();
    this.#call((handlers) => handlers.cut?.(false));
  }

  get #id(): number {
    return this.#raw?.id ?? 0;
  }

  #sendKept(): void {
    if (this.#mode !== 'up') return;
    for (const frame of this.#kept.take(this.#id)) this.#raw?.sendNow(encodeFrame(frame));
  }

  pull(most: number): Uint8Array | undefined {
    return this.#mode === 'up' ? this.#streams.outgoing.pull(this.#id, most) : undefined;
  }

  onDown(): void {
    this.#raw = undefined;
    this.#lost();
  }

  /** What happens when the raw channel is gone: before OPEN_OK the end, later a pause. */
  #lost(): void {
    if (this.#mode === 'ended') return;
    if (this.#mode === 'opening') return this.#end({ reason: 'link-lost', text: '' });
    const wasUp = this.#mode === 'up';
    this.#mode = 'cut';
    this.#answerResume(false);
    // Everything is here already; nobody need come back.
    if (wasUp && this.#peerClose === undefined) this.#call((handlers) => handlers.cut?.(true));
  }

  #answerResume(isUp: boolean): void {
    this.#resumed?.(isUp);
    this.#resumed = undefined;
  }

  onFrame(frame: ChannelFrame): void {
    if (frame.type === 'close') return this.#onClose(frame.reason, frame.text);
    if (this.#mode === 'opening' && frame.type === 'openOk') return this.#onOpenOk(frame.body);
    if (this.#mode === 'resuming' && frame.type === 'resumeOk') return this.#onResumeOk(frame.body.received);
    if (this.#mode !== 'up') return this.abort('protocol', `${frame.type} before the answer`);
    const fault = this.#onSessionFrame(frame);
    if (fault !== undefined) this.abort(fault, frame.type);
  }

  #onOpenOk(ok: OpenOk): void {
    this.#session = ok.session;
    this.#streams.outgoing.setWindow(ok.window);
    this.#mode = 'up';
    this.#opening.resolve(ok);
    this.#sendKept();
    this.#raw?.ready();
  }

  #onResumeOk(there: Received): void {
    if (!this.#streams.agrees(there)) return this.abort('protocol', 'bytes were lost');
    this.#goOn(there);
    this.#answerResume(true);
  }

  #onSessionFrame(frame: ChannelFrame): Fault {
    switch (frame.type) {
      case 'data':
      case 'eof':
      case 'credit': {
        const fault = this.#streams.take(frame);
        if (frame.type === 'credit') this.#raw?.ready();
        return fault;
      }
      case 'exit':
        return this.#onExit(frame.body);
      case 'signal':
      case 'resize':
        if (this.#isOpener) return 'protocol';
        this.#call((handlers) =>
          frame.type === 'signal' ? handlers.signal?.(frame.name) : handlers.resize?.(frame.cols, frame.rows),
        );
        return undefined;
      default:
        return 'protocol';
    }
  }

  #onExit(exit: Exit): Fault {
    // Without every EOF before it an exit could be taken for the end of a truncated output.
    if (!this.#isOpener || !this.#streams.incoming.every((stream) => stream.eof)) return 'protocol';
    this.#exit ??= exit;
    this.rested();
    return undefined;
  }

  /** CLOSE: a refusal, a cut further on, the answer to ours, or the other side's ending, in this order. */
  #onClose(reason: CloseReason, text: string): void {
    if (this.#mode === 'opening') return this.abort(reason, text);
    if (this.#mode === 'resuming') return this.#onResumeRefused(reason, text);
    if (cutReasons.has(reason)) {
      this.#raw?.forget();
      return this.onDown();
    }
    if (this.#localClose !== undefined) {
      if (!this.#streams.outgoing.closeIsOut) this.#raw?.close(this.#localClose.reason, this.#localClose.text);
      this.#raw?.forget();
      return this.#end(this.#localClose);
    }
    this.#peerClose ??= { reason, text };
    this.#streams.outgoing.rejectWriters(new ChannelClosed(this.#peerClose));
    // The agent must not wait for a command that reads no stdin before it hears that it is to be killed.
    if (!this.#isOpener && reason !== 'ok') return this.#finish(this.#peerClose);
    this.rested();
  }

  #onResumeRefused(reason: CloseReason, text: string): void {
    this.#raw?.forget();
    this.#raw = undefined;
    if (retryReasons.has(reason)) return this.#lost();
    // It knows nothing of the session because it has our CLOSE, and everything before it.
    const isDone = this.#localClose !== undefined && this.#streams.outgoing.closeWasSent && reason === 'no-session';
    this.#end(isDone ? (this.#localClose ?? { reason, text }) : { reason, text });
  }

  #finish(ending: ChannelEnding): void {
    this.#raw?.close(ending.reason);
    this.#end(ending);
  }

  #end(ending: ChannelEnding): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#mode = 'ended';
    this.#raw = undefined;
    creditTimer.delete(this);
    this.#opening.reject(new ChannelClosed(ending));
    this.#streams.outgoing.rejectWriters(new ChannelClosed(ending));
    this.#streams.outgoing.clear();
    for (const stream of this.#streams.incoming) stream.discard();
    this.#answerResume(false);
    this.#call((handlers) => handlers.close?.(ending));
    this.#ended.resolve(ending);
  }

  #call(run: (handlers: ChannelHandlers) => void): void {
    if (this.#handlers === undefined) return;
    try {
      run(this.#handlers);
    } catch (error) {
      this.handlerFailed(error);
    }
  }

  // What the incoming streams ask of it.
  deliver(stream: StreamId, bytes: Uint8Array): void | Promise<void> {
    try {
      return this.#handlers?.data?.(stream, bytes);
    } catch (error) {
      this.handlerFailed(error);
    }
  }
  deliverEof(stream: StreamId): void {
    this.#call((handlers) => handlers.eof?.(stream));
  }
  sendCredit(stream: StreamId, count: number): void {
    if (this.#mode === 'up') this.#raw?.sendNow(encodeCredit(this.#id, stream, count));
  }
  creditLater(): void {
    if (this.deadline === 0) this.deadline = performance.now() + creditDelayMs;
  }
  onDeadline(): void {
    for (const stream of this.#streams.incoming) stream.creditIfAny();
  }
  rested(): void {
    if (this.#handlers === undefined || this.#mode === 'ended') return;
    if (!this.#streams.incoming.every((stream) => stream.isAtRest)) return;
    const isWhole = this.#streams.incoming.every((stream) => stream.eofDelivered);
    if (this.#exit !== undefined && !this.#exitDelivered && isWhole) {
      this.#exitDelivered = true;
      const exit = this.#exit;
      this.#call((handlers) => handlers.exit?.(exit));
    }
    if (this.#peerClose !== undefined) this.#finish(this.#peerClose);
  }
  handlerFailed(error: unknown): void {
    if (this.#mode === 'ended') return;
    this.abort('io', error instanceof Error ? error.name : 'the handler failed');
  }
}
