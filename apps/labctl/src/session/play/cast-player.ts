/** Plays a recording in its own time (EX-11). What it holds goes to the terminal as it was: it is a terminal's output. */
import type { Clock } from '@labmesh/kit/clock';
import { type CastHead, type CastItem, CastReader, playDelayMs } from '@labmesh/wire/fleet/asciicast';

export type PlayParts = {
  write: (bytes: Uint8Array) => Promise<void>;
  clock: Clock;
  signal: AbortSignal;
  /** 2 = twice as fast. */
  speed: number;
  /** Longest wait before `speed`, seconds; default what the recording says. */
  idleMax: number | undefined;
  began: (head: CastHead) => void;
};

export type Played = {
  /** Exit status of the command, when it ended. */
  exit: string | undefined;
  /** The last line is torn, as after a crash. */
  cut: boolean;
};

/** Colours, cursor and screen as they were before: a recording may end anywhere. */
const plainAgain = '\u001b[0m\u001b[?25h';
const alternateScreen = '\u001b[?1049h';
const mainScreen = '\u001b[?1049l';
const encoder = new TextEncoder();

class Player {
  readonly #parts: PlayParts;
  /** When the next event is due; sums, so that short waits do not drift. */
  #due: number;
  #idleMax: number | undefined;
  #sawAlternate = false;
  #hasShown = false;
  exit: string | undefined;

  constructor(parts: PlayParts) {
    this.#parts = parts;
    this.#idleMax = parts.idleMax;
    this.#due = parts.clock.now();
  }

  async take(items: readonly CastItem[]): Promise<void> {
    for (const item of items) {
      if (item.type === 'head') {
        this.#idleMax ??= item.head.idle_time_limit;
        this.#parts.began(item.head);
        continue;
      }
      await this.#wait(item.interval);
      if (item.code === 'o') await this.#show(item.text);
      if (item.code === 'x') this.exit = item.text;
    }
  }

  async #wait(interval: number): Promise<void> {
    const { clock, signal, speed } = this.#parts;
    this.#due += playDelayMs(interval, { speed, ...(this.#idleMax !== undefined && { idleMax: this.#idleMax }) });
    const leftMs = this.#due - clock.now();
    if (leftMs > 1) await clock.sleep(leftMs, signal);
    else signal.throwIfAborted();
    // Reading was slower than playing: the lost time is not made up for by a rush.
    this.#due = Math.max(this.#due, clock.now());
  }

  async #show(text: string): Promise<void> {
    this.#sawAlternate ||= text.includes(alternateScreen);
    this.#hasShown = true;
    await this.#parts.write(encoder.encode(text));
  }

  async restore(): Promise<void> {
    if (!this.#hasShown) return;
    await this.#parts.write(encoder.encode(`${this.#sawAlternate ? mainScreen : ''}${plainAgain}`));
  }
}

/** @throws CastError for what is no recording; the signal's reason */
export async function playCast(source: AsyncIterable<Uint8Array>, parts: PlayParts): Promise<Played> {
  const reader = new CastReader();
  const player = new Player(parts);
  try {
    for await (const bytes of source) await player.take(reader.push(bytes));
    const { items, cut } = reader.end();
    await player.take(items);
    return { exit: player.exit, cut };
  } finally {
    await player.restore();
  }
}
