/**
 * What a command wrote, on its way to whoever follows it. One order for both streams:
 *
 *     append ─► [ ring: the last MiB, and all that a follower has not taken ] ─► follower ─► its channel
 *
 * Followers hold `append` back, so the command waits for the slowest one (EX-7). With nobody there the oldest bytes
 * fall out of the ring, and an attach is told how many (EX-8).
 */
import { type Channel, ChannelClosed, type ChannelEnding } from '@labmesh/link/channel';

export const ringBytesMax = 1024 * 1024;
/** How far a follower's channel may be behind before the command waits. */
const slackBytes = 64 * 1024;
/** Small pieces cost memory too: a piece counts for at least this. */
const pieceBytesMin = 256;

type Piece = { stream: 1 | 2; bytes: Uint8Array };
const weight = (piece: Piece) => Math.max(piece.bytes.length, pieceBytesMin);

class Follower {
  /** Index of the next piece, counted from the first ever. */
  next: number;
  behindBytes: number;
  ending: ChannelEnding | undefined;
  constructor(next: number, behindBytes: number) {
    this.next = next;
    this.behindBytes = behindBytes;
  }
}

export class Output {
  readonly #ringMax: number;
  #pieces: Piece[] = [];
  /** Index of `#pieces[0]`. */
  #first = 0;
  #weight = 0;
  #dropped = 0;
  #isOver = false;
  #followers = new Set<Follower>();
  #waiters: (() => void)[] = [];

  constructor(ringMax = ringBytesMax) {
    this.#ringMax = ringMax;
  }

  /** Bytes that fell out of the ring. */
  get dropped(): number {
    return this.#dropped;
  }

  get followers(): number {
    return this.#followers.size;
  }

  /** Resolves when the followers may get more. */
  async append(stream: 1 | 2, bytes: Uint8Array): Promise<void> {
    const piece = { stream, bytes };
    this.#pieces.push(piece);
    this.#weight += weight(piece);
    for (const follower of this.#followers) follower.behindBytes += weight(piece);
    this.#trim();
    this.#changed();
    while ([...this.#followers].some((follower) => follower.behindBytes > slackBytes)) await this.#change();
  }

  /** There will be no more. */
  finish(): void {
    this.#isOver = true;
    this.#changed();
  }

  /** Writes all to `channel`, from the oldest byte in the ring to the end; how the channel ended if it did so before. */
  async follow(channel: Channel): Promise<ChannelEnding | undefined> {
    const follower = new Follower(this.#first, this.#weight);
    this.#followers.add(follower);
    // A follower that waits for output must not stay when its channel goes.
    void channel.closed.then((ending) => {
      follower.ending = ending;
      this.#changed();
    });
    try {
      await this.#pass(follower, channel);
      return undefined;
    } catch (error) {
      if (error instanceof ChannelClosed) return error.ending;
      throw error;
    } finally {
      this.#followers.delete(follower);
      this.#trim();
      this.#changed();
    }
  }

  async #pass(follower: Follower, channel: Channel): Promise<void> {
    for (;;) {
      const piece = this.#pieces[follower.next - this.#first];
      if (piece === undefined) {
        if (this.#isOver) return;
        if (follower.ending !== undefined) throw new ChannelClosed(follower.ending);
        await this.#change();
        continue;
      }
      await channel.write(piece.stream, piece.bytes);
      follower.next += 1;
      follower.behindBytes -= weight(piece);
      this.#trim();
      this.#changed();
    }
  }

  /** Drops the oldest pieces above the bound, but none that a follower still needs. */
  #trim(): void {
    const needed = Math.min(...[...this.#followers].map((follower) => follower.next));
    let count = 0;
    while (this.#weight > this.#ringMax && this.#first + count < needed && count < this.#pieces.length) {
      const piece = this.#pieces[count];
      if (piece === undefined) break;
      this.#weight -= weight(piece);
      this.#dropped += piece.bytes.length;
      count += 1;
    }
    if (count > 0) this.#pieces.splice(0, count);
    this.#first += count;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  #changed(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
