/** Labels of servers for what is shipped, remembered for a minute: a batch a second of each agent must not ask the store. */
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';

type Labels = Readonly<Record<string, string>>;
type Known = { labels: Labels; at: number };

const shipping = system('log-shipping');
const keptMs = 60_000;
const serversMax = 10_000;

export class ServerLabels {
  readonly #store: Store;
  /** Monotonic ms. */
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Never rejects: while the store is away, the labels known last, else none. */
  async of(serverId: string): Promise<Labels> {
    const known = this.#known.get(serverId);
    if (known !== undefined && this.#now() - known.at < keptMs) return known.labels;
    const labels = await this.#read(serverId).catch(() => known?.labels ?? {});
    this.#known.delete(serverId);
    this.#known.set(serverId, { labels, at: this.#now() });
    const oldest = this.#known.keys().next().value;
    if (this.#known.size > serversMax && oldest !== undefined) this.#known.delete(oldest);
    return labels;
  }

  async #read(serverId: string): Promise<Labels> {
    const rows = await this.#store.read(shipping, (db) =>
      db.selectFrom('server_labels').select(['key', 'value']).where('server_id', '=', serverId).execute(),
    );
    return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  }
}
