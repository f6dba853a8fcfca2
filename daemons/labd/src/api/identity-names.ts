/** Names of identities by id, for rows and messages: certificates carry ids alone, so that a rename needs no new one. */
import type { Clock } from '@labmesh/kit/clock';
import type { Store } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';

const keptMs = 10_000;
const keptMax = 10_000;
const worker = system('identity-names');

export class IdentityNames {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Map<string, { name: string; at: number }>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** The name, or the id when there is none or the database is away. */
  async nameOf(kind: Principal['kind'], id: string): Promise<string> {
    const key = `${kind}:${id}`;
    const known = this.#known.get(key);
    if (known !== undefined && this.#clock.now() - known.at < keptMs) return known.name;
    const name = (await this.#read(kind, id).catch(() => known?.name)) ?? id;
    if (this.#known.size >= keptMax) this.#known.clear();
    this.#known.set(key, { name, at: this.#clock.now() });
    return name;
  }

  async #read(kind: Principal['kind'], id: string): Promise<string | undefined> {
    return this.#store.read(worker, async (db) => {
      if (kind === 'user' || kind === 'service') {
        return (await db.selectFrom('users').select('name').where('id', '=', id).executeTakeFirst())?.name;
      }
      if (kind === 'bastion')
        return (await db.selectFrom('bastions').select('name').where('id', '=', id).executeTakeFirst())?.name;
      if (kind !== 'agent') return undefined;
      const row = await db
        .selectFrom('agents')
        .innerJoin('servers', 'servers.id', 'agents.server_id')
        .select('servers.hostname')
        .where('agents.id', '=', id)
        .executeTakeFirst();
      return row?.hostname;
    });
  }
}
