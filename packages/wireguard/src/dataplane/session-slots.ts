/**
 * The three sessions that a peer may have (spec tunnel.md 5.9): `current` seals; `previous` still opens what is under
 * way; `next` is one that we answered for and that the initiator has not used yet.
 */
import type { Session } from '../noise/session.ts';

export class SessionSlots {
  #previous: Session | undefined;
  #current: Session | undefined;
  #next: Session | undefined;
  readonly #onRelease: (session: Session) => void;

  /** `onRelease` is told of each session that has left, already wiped. */
  constructor(onRelease: (session: Session) => void) {
    this.#onRelease = onRelease;
  }

  get current(): Session | undefined {
    return this.#current;
  }

  /** A session from our own initiation: both sides have its keys, so it seals from now on. */
  addInitiated(session: Session): void {
    if (this.#next === undefined) {
      this.#release(this.#previous);
      this.#previous = this.#current;
    } else {
      this.#release(this.#previous);
      this.#release(this.#current);
      this.#previous = this.#next;
      this.#next = undefined;
    }
    this.#current = session;
  }

  /** A session that we answered for: it opens at once and seals after its first packet. */
  addAnswered(session: Session): void {
    this.#release(this.#previous);
    this.#previous = undefined;
    this.#release(this.#next);
    this.#next = session;
  }

  /** An authentic packet came by this session. True: it was `next` and is `current` now. */
  confirm(session: Session): boolean {
    if (session !== this.#next) return false;
    this.#release(this.#previous);
    this.#previous = this.#current;
    this.#current = session;
    this.#next = undefined;
    return true;
  }

  /** Nothing is sealed any more; what is under way is still opened. */
  retire(): void {
    this.#release(this.#next);
    this.#next = undefined;
    if (this.#current === undefined) return;
    this.#release(this.#previous);
    [this.#previous, this.#current] = [this.#current, undefined];
  }

  wipe(): void {
    for (const session of [this.#previous, this.#current, this.#next]) this.#release(session);
    this.#previous = this.#current = this.#next = undefined;
  }

  #release(session: Session | undefined): void {
    if (session === undefined) return;
    session.wipe();
    this.#onRelease(session);
  }
}
