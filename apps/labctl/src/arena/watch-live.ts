/**
 * Listens until it is told to stop: a connection that ends is made anew, and where news are missing, in the numbers of a
 * topic or between two connections, the state is asked for and shown in their place.
 */
import { parseJson } from '@labmesh/kit/parse-json';
import { backoff } from '@labmesh/kit/retry';
import { livePath, type LiveNews } from '@labmesh/wire/verification/arena-live';
import type { Api } from '../client/api-access.ts';
import type { ArenaClient } from '../client/arena-client.ts';
import { CommandError } from '../command-error.ts';
import type { World } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';
import { type LiveEnd, listenLive } from './listen-live.ts';
import { LiveCount } from './live-text.ts';

export type Watching = {
  world: World;
  api: Api;
  arena: Pick<ArenaClient, 'text'>;
  topics: readonly string[];
  onNews: (news: LiveNews) => void;
  /** `missed` null: nobody knows how many. `state`: what the API says of the topic now, null when it has nothing. */
  onGap: (topic: string, missed: number | null, state: unknown) => void;
  note: (text: string) => void;
};

/** The gateway or the arena is away for a moment: it is tried again. */
const isPassing = (error: unknown) => error instanceof CommandError && error.exitCode === exitCodes.unreachable;

/** What stands there now; null where it cannot be asked for, such as a run that is not there any more. */
async function stateOf({ arena }: Watching, topic: string): Promise<unknown> {
  try {
    return parseJson(await arena.text({ method: 'GET', path: livePath(topic) })) ?? null;
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/** Asks for what was missed, topic after topic; what is missed of one before its turn has come is asked for with it. */
class Gaps {
  readonly #watching: Watching;
  /** Null: nobody knows how many. */
  readonly #waiting = new Map<string, number | null>();
  #asked: Promise<void> = Promise.resolve();

  constructor(watching: Watching) {
    this.#watching = watching;
  }

  add(topic: string, missed: number | null): void {
    const isWaiting = this.#waiting.has(topic);
    const before = isWaiting ? (this.#waiting.get(topic) ?? null) : 0;
    this.#waiting.set(topic, before === null || missed === null ? null : before + missed);
    if (isWaiting) return;
    this.#asked = this.#asked.then(() => this.#ask(topic));
    // Told where it is awaited; the connection may be long from its end.
    this.#asked.catch(() => {});
  }

  async #ask(topic: string): Promise<void> {
    const missed = this.#waiting.get(topic) ?? null;
    this.#waiting.delete(topic);
    this.#watching.onGap(topic, missed, await stateOf(this.#watching, topic));
  }

  /** Resolves when all that is missing so far was shown. */
  shown(): Promise<void> {
    return this.#asked;
  }
}

async function connection(watching: Watching, isFirst: boolean): Promise<LiveEnd> {
  const { api, topics, world, onNews } = watching;
  const [count, gaps] = [new LiveCount(), new Gaps(watching)];
  const end = await listenLive({
    api,
    topics,
    signal: world.life.signal,
    onHeard: () => {
      if (!isFirst) for (const topic of topics) gaps.add(topic, null);
    },
    onNews: (news) => {
      const isMissed = news.data['event'] === 'missed';
      const missed = count.missedBefore(news);
      if (missed > 0 || isMissed) gaps.add(news.topic, missed);
      if (!isMissed) onNews(news);
    },
  });
  await gaps.shown();
  return end;
}

/** @throws CommandError: the key may not listen, or nobody is there at the start */
export async function watchLive(watching: Watching): Promise<void> {
  const { world, arena, note } = watching;
  const { signal } = world.life;
  const fresh = () => backoff({ firstMs: 1_000, capMs: 30_000 });
  let waits = fresh();
  for (let isFirst = true; !signal.aborted;) {
    try {
      // A WebSocket that is refused does not say why.
      await arena.text({ method: 'GET', path: '/api/arena' });
      const end = await connection(watching, isFirst);
      if (signal.aborted) return;
      if (end.refused !== undefined) throw new CommandError(end.refused, { exitCode: exitCodes.usage });
      if (end.wasHeard) [waits, isFirst] = [fresh(), false];
      note(`the connection ended (${end.reason}); it is made again`);
    } catch (error) {
      if (signal.aborted) return;
      if (isFirst || !isPassing(error)) throw error;
    }
    await world.clock.sleep(waits.next().value ?? 0, signal).catch(() => {});
  }
}
