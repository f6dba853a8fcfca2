/**
 * The events of one run for everyone who asked for it: a list that grows, and readers that each stand somewhere in it.
 * Who comes late reads from the start. The last event is a result or an error; after it readers are done.
 */
import { BoundPassed } from '@labmesh/kit/bounded-queue';
import type { ArenaEvent } from '@labmesh/wire/verification/arena-run';

/** 16 candidates with 4 attempts, 32 verdicts each, and a full tournament stay below. */
export const feedEventsMost = 8_192;
/** Of one run at once. */
export const readersMost = 64;

/** Who hears of a run without reading its feed. Neither may throw. */
type FeedWatcher = { onEvent: (event: ArenaEvent) => void; onState: (state: string) => void };

const isLast = ({ event }: ArenaEvent) => event === 'result' || event === 'error';

export class RunFeed {
  readonly #events: ArenaEvent[] = [];
  readonly #onReaders: (count: number) => void;
  readonly #watcher: FeedWatcher | undefined;
  #ended = false;
  #readers = 0;
  #news = Promise.withResolvers<void>();

  /** @param onReaders is told how many read now, each time one comes or goes. */
  constructor(onReaders: (count: number) => void = () => {}, watcher?: FeedWatcher) {
    this.#onReaders = onReaders;
    this.#watcher = watcher;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get last(): ArenaEvent | undefined {
    return this.#ended ? this.#events.at(-1) : undefined;
  }

  /**
   * Adds an event; after the last one nothing is added.
   * @throws BoundPassed when a run tells more than a run can.
   */
  push(event: ArenaEvent): void {
    if (this.#ended) return;
    if (this.#events.length >= feedEventsMost && !isLast(event)) {
      throw new BoundPassed('arena.run.events', feedEventsMost);
    }
    this.#events.push(event);
    this.#ended = isLast(event);
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
    this.#watcher?.onEvent(event);
  }

  /** The run has come to its next step: no event of its own. */
  entered(state: string): void {
    this.#watcher?.onState(state);
  }

  /**
   * All events from the first to the last, waiting for those to come; ends early when the signal does.
   * @throws BoundPassed for more than 64 readers.
   */
  async *read(signal: AbortSignal): AsyncGenerator<ArenaEvent, void> {
    if (this.#readers >= readersMost) throw new BoundPassed('arena.run.readers', readersMost);
    this.#onReaders(++this.#readers);
    const left = Promise.withResolvers<void>();
    const leave = () => left.resolve();
    signal.addEventListener('abort', leave, { once: true });
    try {
      for (let at = 0; !signal.aborted;) {
        const event = this.#events[at];
        if (event !== undefined) {
          at++;
          yield event;
        } else if (this.#ended) return;
        else await Promise.race([this.#news.promise, left.promise]);
      }
    } finally {
      signal.removeEventListener('abort', leave);
      this.#onReaders(--this.#readers);
    }
  }
}
