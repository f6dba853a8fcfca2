/** Labels of servers for what is shipped, remembered for a minute: a batch a second of each agent must not ask the store. */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import type { Labels } from './otlp-logs.ts';

type Known = { labels: Labels; at: number };

const shipping = system('log-shipping');
const keptMs = 60_000;
/** A store that is away must not hold up what is shipped. */
const readMs = 2_000;
const serversMax = 10_000;

export class ServerLabels {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Never rejects: while the store is away, the labels known last, else none. */
  async of(serverId: string): Promise<Labels> {
    const known = this.#known.get(serverId);
    if (known !== undefined && this.#clock.now() - known.at < keptMs) return known.labels;
    const labels = (await this.#readInTime(serverId)) ?? known?.labels ?? {};
    this.#known.delete(serverId);
    this.#known.set(serverId, { labels, at: this.#clock.now() });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > serversMax && oldest !== undefined) this.#known.delete(oldest);
    return labels;
  }

  async #readInTime(serverId: string): Promise<Labels | undefined> {
    const over = new AbortController();
    const late = this.#clock.sleep(readMs, over.signal).then(() => undefined);
    try {
      return await Promise.race([this.#read(serverId), late]);
    } catch {
      return undefined;
    } finally {
      late.catch(() => undefined);
      over.abort();
    }
  }

  /** Without those that the agent reports: a machine must not choose what is written in front of its lines. */
  async #read(serverId: string): Promise<Labels> {
    const rows = await this.#store.read(shipping, (db) =>
      db
        .selectFrom('server_labels')
        .select(['key', 'value'])
        .where('server_id', '=', serverId)
        .where('source', '!=', 'agent')
        .execute(),
    );
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }
}
