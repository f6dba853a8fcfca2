/**
 * One socket to labd for many sessions. It is dialled when the first one opens, and again whenever it breaks:
 *
 *     open ─► dial ─► HELLO ─► channels … cut ─► dial at once, then each 1-5 s ─► RESUME each channel
 *                                                └─► 60 s without success: the channel ends as `link-lost` (EX-7)
 *
 * RESUME works on any replica, so it does not matter who answers (HB-6). A GOAWAY moves everything while the old link
 * still works.
 */
import type { Clock } from '@labmesh/kit/clock';
import { ChannelEnd } from '@labmesh/link/channel-end';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import type { Goaway } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { clientHello } from '../client/client-hello.ts';
import { dialRetryMs, isRefused } from './dial-problem.ts';
import { KeptChannel } from './kept-channel.ts';

/** How long a cut session is tried again (EX-7). */
export const resumeMs = 60_000;
/** Between two tries: 1-5 s, so that many do not come back together. */
const retryMs = { least: 1_000, spread: 4_000 };
/** What was said last may take this long to go out at the end. */
const flushMs = 1_000;

export type ClientLinkParts = {
  connect: (signal: AbortSignal) => Promise<FrameSocket>;
  clock: Clock;
  /** In [0, 1). */
  random?: () => number;
  /** For the first connection of all, ms; later ones are tried for as long as a session waits. */
  timeoutMs: number;
  /** Hears that the link is lost and back. */
  note: (text: string) => void;
};

type Kept = { end: ChannelEnd; token: string | undefined; isMending: boolean };

export class ClientLink implements LinkHandlers, AsyncDisposable {
  readonly #parts: ClientLinkParts;
  readonly #kept = new Set<Kept>();
  readonly #ending = new AbortController();
  readonly #hello = clientHello();
  #link: Link | undefined;
  #socket: FrameSocket | undefined;
  #dialling: Promise<Link> | undefined;
  #wasUp = false;
  /** Why no other try is made: the identity is refused. */
  #refusal: Error | undefined;
  #beat: ReturnType<typeof setInterval> | undefined;
  #claimed = 0;
  #channelsMax: number;
  #isTold = false;

  /** `channelsMax`: what labd takes on one socket, until it has told. */
  constructor(parts: ClientLinkParts, channelsMax: number = frameLimits.channelsMax) {
    this.#parts = parts;
    this.#channelsMax = channelsMax;
  }

  get channelsMax(): number {
    return this.#channelsMax;
  }

  /** Channels that may still be opened. */
  get room(): number {
    return this.#channelsMax - this.#claimed;
  }

  /** Connects now, so that what is wrong is told before anything else happens. @throws as `open` */
  async connect(): Promise<void> {
    await this.#reach();
  }

  /**
   * A session. `signal` gives it up while labd has not answered.
   * @throws ChannelClosed when it is refused; what `connect` rejects with; LinkClosed; LinkRefused
   */
  async open(open: Open, signal?: AbortSignal): Promise<KeptChannel> {
    this.#claimed++;
    let end: ChannelEnd | undefined;
    const onAbort = () => end?.abort('cancelled');
    try {
      signal?.throwIfAborted();
      end = ChannelEnd.open(await this.#reach(), open);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted === true) onAbort();
      const ok = await end.opened;
      return this.#keep(end, ok);
    } catch (error) {
      this.#claimed--;
      throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #keep(end: ChannelEnd, ok: KeptChannel['ok']): KeptChannel {
    const kept: Kept = { end, token: ok.token, isMending: false };
    this.#kept.add(kept);
    void end.closed.then(() => {
      this.#claimed--;
      this.#kept.delete(kept);
    });
    return new KeptChannel(end, ok, () => void this.#mend(kept));
  }

  /** The link, dialled when there is none. All who need one wait for the same. */
  #reach(): Promise<Link> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    if (this.#link?.isUp === true) return Promise.resolve(this.#link);
    return this.#dialOnce(() => this.#dialUntil(this.#wasUp ? resumeMs : this.#parts.timeoutMs));
  }

  #dialOnce(dial: () => Promise<Link>): Promise<Link> {
    this.#dialling ??= dial().finally(() => {
      this.#dialling = undefined;
    });
    return this.#dialling;
  }

  async #dialUntil(lastsMs: number): Promise<Link> {
    const { clock, random = Math.random } = this.#parts;
    const until = clock.now() + lastsMs;
    for (;;) {
      try {
        return await this.#dial();
      } catch (error) {
        if (this.#wasUp && isRefused(error)) this.#refusal = error as Error;
        const waitMs = this.#wasUp
          ? retryMs.least + random() * retryMs.spread
          : dialRetryMs(error, retryMs.least, random());
        const isOver = this.#refusal !== undefined || waitMs === undefined || clock.now() + waitMs > until;
        if (isOver || this.#ending.signal.aborted) throw error;
        this.#tellLost();
        await clock.sleep(waitMs, this.#ending.signal);
      }
    }
  }

  async #dial(): Promise<Link> {
    const { signal } = this.#ending;
    const socket = await this.#parts.connect(signal);
    const link = new Link(socket, this, { side: 'odd' });
    const ok = await link.hello(this.#hello);
    if (signal.aborted) {
      link.close('goingAway');
      signal.throwIfAborted();
    }
    this.#link = link;
    this.#socket = socket;
    this.#wasUp = true;
    this.#channelsMax = ok.limits.channels;
    clearInterval(this.#beat);
    // Also what keeps a proxy in between from thinking that nobody talks.
    this.#beat = setInterval(() => void this.#link?.ping(), ok.heartbeatMs);
    if (this.#isTold) this.#parts.note('the link to labd is back');
    this.#isTold = false;
    return link;
  }

  #tellLost(): void {
    if (this.#isTold || !this.#wasUp || this.#kept.size === 0) return;
    this.#isTold = true;
    this.#parts.note(`the link to labd is lost; trying for ${resumeMs / 1000}s`);
  }

  /** Goes on with a channel over the link there is, or the next one. */
  async #mend(kept: Kept): Promise<void> {
    if (kept.isMending) return;
    kept.isMending = true;
    // The link tells its channels first, and then us why it ended.
    await Promise.resolve();
    const { clock, random = Math.random } = this.#parts;
    const until = clock.now() + resumeMs;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#ending.signal]);
    const late = clock.sleep(resumeMs, signal).catch(() => {});
    void kept.end.closed.then(() => over.abort());
    try {
      // The first turn also when it is not cut: a GOAWAY moves what is still alive.
      while (kept.token !== undefined) {
        await Promise.race([this.#resume(kept, kept.token), late]);
        const leftMs = until - clock.now();
        if (!kept.end.isCut || this.#refusal !== undefined || leftMs <= 0 || signal.aborted) break;
        await clock.sleep(Math.min(leftMs, retryMs.least + random() * retryMs.spread), signal);
      }
    } catch {
      // The sleep was given up: it ended, or we do.
    } finally {
      kept.isMending = false;
      over.abort();
      if (kept.end.isCut && !this.#ending.signal.aborted) kept.end.abort('link-lost', this.#refusal?.message);
    }
  }

  async #resume({ end }: Kept, token: string): Promise<void> {
    try {
      await end.resumeOn(await this.#reach(), { token });
    } catch {
      // No link, or one without room: the next turn tries again.
    }
  }

  closed(link: Link, code: number, reason: string): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    this.#socket = undefined;
    clearInterval(this.#beat);
    const error = new LinkEnded(code, reason);
    if (isRefused(error)) this.#refusal = error;
    // Those that have no handler yet did not hear it.
    for (const kept of this.#kept) if (kept.end.isCut) void this.#mend(kept);
  }

  /** labd is about to go: somewhere else there is another one, or the same in a moment (HB-11). */
  goaway(link: Link, { retryAfterMinMs, retryAfterMaxMs }: Goaway): void {
    const { clock, random = Math.random } = this.#parts;
    const waitMs = retryAfterMinMs + random() * Math.max(0, retryAfterMaxMs - retryAfterMinMs);
    void clock.sleep(waitMs, this.#ending.signal).then(
      () => this.#moveFrom(link),
      () => {},
    );
  }

  async #moveFrom(old: Link): Promise<void> {
    if (this.#link !== old) return;
    try {
      await this.#dialOnce(() => this.#dial());
    } catch {
      // Nobody else is there yet. When the old link ends, it is tried again.
      return;
    }
    await Promise.all([...this.#kept].map((kept) => this.#mend(kept)));
    old.close('goingAway');
  }

  /** Ends the link once what was said is on its way. Sessions that are open are left as by a cut. */
  async [Symbol.asyncDispose](): Promise<void> {
    const socket = this.#socket;
    clearInterval(this.#beat);
    const until = performance.now() + flushMs;
    while (socket !== undefined && socket.bufferedBytes > 0 && performance.now() < until) await Bun.sleep(1);
    this.#ending.abort(new Error('the link was closed'));
    this.#link?.close('goingAway');
  }
}

/** A link that was up and was closed with this code. */
class LinkEnded extends Error {
  readonly code: number;
  constructor(code: number, reason: string) {
    super(reason === '' ? `the link was closed (${code})` : reason);
    this.name = 'LinkEnded';
    this.code = code;
  }
}
