/** labd and an agent in memory: real links and channels, answers by a function, cuts whenever a test wants them. */
import type { FakeClock } from '@labmesh/kit/clock';
import type { ChannelEnding } from '@labmesh/link/channel';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import type { First } from '@labmesh/link/first-frame';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { MemorySocket } from '@labmesh/link/testing/socket-pair';
import type { Goaway, Hello } from '@labmesh/wire/frame/messages';
import type { Open } from '@labmesh/wire/frame/open';
import { uuidv7 } from '@labmesh/wire/ids';

type Accept = (more?: { offset?: number; dropped?: number }) => ChannelEnd;
/** What becomes of an OPEN: refused, or a session whose agent's end is given. */
export type MemoryAgent = (open: Open, accept: Accept) => void | ChannelEnding | Promise<void | ChannelEnding>;

export class MemoryLabd implements LinkHandlers {
  agent: MemoryAgent;
  /** Every OPEN that came. */
  readonly opens: Open[] = [];
  readonly hellos: Hello[] = [];
  readonly resumes: { session: string; token: string }[] = [];
  readonly sessions = new Map<string, ChannelEnd>();
  /** The channel of the moment by session: closing one is a cut further on. */
  readonly raws = new Map<string, RawChannel>();
  /** Sockets that are up. */
  readonly links = new Map<Link, FrameSocket>();
  /** Connections made so far, also refused ones. */
  dials = 0;
  /** Thrown to whoever connects. */
  away: Error | undefined;
  /** What RESUME is answered with in place of going on. */
  refuseResume: ChannelEnding['reason'] | undefined;
  /** Sockets move this many messages a turn. */
  perTurn: (() => number) | undefined;
  channelsMax = 256;

  constructor(agent: MemoryAgent) {
    this.agent = agent;
  }

  readonly connect = async (): Promise<MemorySocket> => {
    this.dials++;
    if (this.away !== undefined) throw this.away;
    const [far, near] = MemorySocket.pair();
    if (this.perTurn !== undefined) far.perTurn = near.perTurn = this.perTurn;
    this.serve(far);
    return near;
  };

  /** A socket of a client, also a real one. */
  serve(socket: FrameSocket): void {
    this.links.set(new Link(socket, this, { side: 'even', channelsMax: this.channelsMax }), socket);
  }

  hello(link: Link, hello: Hello): void {
    this.hellos.push(hello);
    const limits = { channels: this.channelsMax, window: 262_144, windowMax: 4_194_304 };
    link.accept({
      protocol: 1,
      replicaId: 'r1',
      heartbeatMs: 10_000,
      timeMs: Date.now(),
      bundle: '',
      limits,
      urls: [],
    });
  }

  first(_link: Link, raw: RawChannel, first: First): void {
    if (first.type === 'resume') return this.#resume(raw, first.resume);
    const { open } = first;
    this.opens.push(open);
    const session = uuidv7();
    const refused = this.agent(open, (more = {}) => {
      const end = ChannelEnd.accept(raw, open, { session, more: { token: `token-${session}`, ...more } });
      this.sessions.set(session, end);
      this.raws.set(session, raw);
      return end;
    });
    void Promise.resolve(refused).then((ending) => ending && raw.close(ending.reason, ending.text));
  }

  #resume(raw: RawChannel, resume: Extract<First, { type: 'resume' }>['resume']): void {
    this.resumes.push(resume);
    const end = this.sessions.get(resume.session);
    if (this.refuseResume !== undefined) return raw.close(this.refuseResume);
    if (end === undefined || resume.token !== `token-${resume.session}`) return raw.close('no-session');
    this.raws.set(resume.session, raw);
    end.resumeFrom(raw, resume);
  }

  closed(link: Link): void {
    this.links.delete(link);
  }

  /** Cuts every socket, with what is on its way. */
  cut(): void {
    for (const socket of this.links.values()) socket.terminate();
  }

  sayGoaway(goaway: Partial<Goaway> = {}): void {
    for (const link of this.links.keys()) {
      link.goaway({ kind: 'server-shutdown', retryAfterMinMs: 0, retryAfterMaxMs: 0, urls: [], ...goaway });
    }
  }

  close(name: 'revoked' | 'goingAway'): void {
    for (const link of this.links.keys()) link.close(name);
  }
}

/** The agent's end of an exec that writes `out` and `err` and ends with `code`. */
export async function say(
  end: ChannelEnd,
  out: Uint8Array | string,
  code = 0,
  err: Uint8Array | string = '',
): Promise<void> {
  const bytes = (text: Uint8Array | string) => (typeof text === 'string' ? new TextEncoder().encode(text) : text);
  end.handle({});
  const [o, e] = [bytes(out), bytes(err)];
  await Promise.all([o.length > 0 ? end.write(1, o) : undefined, e.length > 0 ? end.write(2, e) : undefined]);
  finish(end, { code });
}

export function finish(end: ChannelEnd, how: { code?: number; signal?: string; timedOut?: boolean } = {}): void {
  end.end(1);
  end.end(2);
  const { code = null, signal = null, timedOut = false } = how;
  end.sendExit({ code, signal, timedOut, core: false, drained: true, bytes: end.sent });
  end.close('ok');
}

/** Lets everything that is on its way arrive. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Time goes on in steps, and what it sets going arrives. */
export async function pass(clock: FakeClock, ms: number): Promise<void> {
  const step = 500;
  await settle();
  for (let left = ms; left > 0; left -= step) {
    await clock.advance(Math.min(step, left));
    await settle();
  }
}

/** Lets time pass until `promise` is through. */
export async function passUntil<T>(clock: FakeClock, promise: Promise<T>): Promise<T> {
  let isOver = false;
  const over = () => void (isOver = true);
  promise.then(over, over);
  while (!isOver) await pass(clock, 500);
  return promise;
}
