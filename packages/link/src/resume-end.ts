/** What an opener does after a cut: it comes back by itself, for a minute (HB-6, EX-7). */
import { type Clock, systemClock } from '@labmesh/kit/clock';
import type { ChannelEnd } from './channel-end.ts';
import type { Link } from './link.ts';

export type ResumeOptions = {
  /** A link that is up; dialled again by the caller when the last one is gone. */
  connect: () => Promise<Link>;
  token: string;
  principal?: string;
  /** 60 s when absent. */
  forMs?: number;
  clock?: Clock;
};

const forMsDefault = 60_000;
const pauseMsMin = 100;
const pauseMsMax = 2_000;

async function tryOnce(end: ChannelEnd, options: ResumeOptions): Promise<void> {
  const { connect, token, principal } = options;
  try {
    await end.resumeOn(await connect(), principal === undefined ? { token } : { token, principal });
  } catch {
    // No link yet; the next try comes.
  }
}

/**
 * Call it from the handler `cut`. True: up again. False: the session has ended, or it could not be reached in time and
 * was given up as `link-lost`; then it may still be running there.
 */
export async function resumeEnd(end: ChannelEnd, options: ResumeOptions): Promise<boolean> {
  const clock = options.clock ?? systemClock;
  const until = clock.now() + (options.forMs ?? forMsDefault);
  const stop = new AbortController();
  const timeUp = clock.sleep(until - clock.now(), stop.signal).catch(() => {});
  for (let pauseMs = pauseMsMin; end.isCut; pauseMs = Math.min(pauseMsMax, pauseMs * 2)) {
    // labd may keep a RESUME waiting for its agent: the minute counts all the same.
    await Promise.race([tryOnce(end, options), timeUp]);
    if (!end.isCut) break;
    if (clock.now() >= until) end.abort('link-lost', 'it may still be running');
    else await clock.sleep(pauseMs * (0.5 + Math.random() / 2));
  }
  stop.abort();
  return !end.isEnded;
}
