/** How many execs may run at once (`exec.per_user_max`, `per_server_max`, `per_replica_max`), counted on this replica. */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export type WorkBounds = { perUserMax: number; perServerMax: number; perReplicaMax: number };
export const workBoundDefaults: WorkBounds = { perUserMax: 100, perServerMax: 64, perReplicaMax: 2000 };

/** `replica`: all that run here. Users are named by kind and id, so that `user:x` and `service:x` are two. */
export type Work = { user: string; server: string };

export class BoundedWork {
  readonly #bounds: WorkBounds;
  readonly #users = new Map<string, number>();
  readonly #servers = new Map<string, number>();
  #all = 0;

  constructor(bounds: Partial<WorkBounds> = {}) {
    this.#bounds = { ...workBoundDefaults, ...bounds };
  }

  get running(): number {
    return this.#all;
  }

  /**
   * Takes a place until it is disposed (once or more often, the same).
   * @throws FleetError RATE_LIMITED that names the bound.
   */
  enter({ user, server }: Work): Disposable {
    const { perUserMax, perServerMax, perReplicaMax } = this.#bounds;
    this.#check('exec.per_replica_max', this.#all, perReplicaMax);
    this.#check('exec.per_user_max', this.#users.get(user) ?? 0, perUserMax);
    this.#check('exec.per_server_max', this.#servers.get(server) ?? 0, perServerMax);
    this.#add(user, server, 1);
    let inside = true;
    return {
      [Symbol.dispose]: () => {
        if (inside) this.#add(user, server, -1);
        inside = false;
      },
    };
  }

  #check(bound: string, used: number, max: number): void {
    if (used < max) return;
    throw new FleetError('RATE_LIMITED', {
      message: `${max} commands run at once already (${bound})`,
      hint: '`labctl get sessions` lists them, `labctl kill session/<id>` ends one',
    });
  }

  #add(user: string, server: string, by: 1 | -1): void {
    this.#all += by;
    change(this.#users, user, by);
    change(this.#servers, server, by);
  }
}

/** Names without work leave the map: it is as large as what runs. */
function change(map: Map<string, number>, name: string, by: number): void {
  const count = (map.get(name) ?? 0) + by;
  if (count === 0) map.delete(name);
  else map.set(name, count);
}
