/**
 * Two labd over one PostgreSQL, and Redis where there is one: on this machine, or each on a host of a network lab. A test
 * that wants a third starts `c`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enrolUser, type Identity } from './fleet-identities.ts';
import { waitFor } from './look.ts';
import type { NetworkLab } from '../network-lab.ts';
import { type LabdOptions, type RunningLabd, startLabd } from '../start-labd.ts';
import { type Postgres, startPostgres } from '../start-postgres.ts';
import { hasRedis, startRedis, type TestRedis } from '../start-redis.ts';

export type ReplicaName = 'a' | 'b' | 'c';
export type TwoReplicasOptions = Pick<LabdOptions, 'toml' | 'labd' | 'publicUrl'> & {
  redis?: boolean;
  /** False: the test starts them itself. */
  start?: boolean;
  /** Hosts `db`, `redis`, `labd-a`, `labd-b`, and `labd-c` where that is started. */
  lab?: NetworkLab;
};

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

export class TwoReplicas implements AsyncDisposable {
  readonly postgres: Postgres;
  readonly redis: TestRedis | undefined;
  readonly #options: TwoReplicasOptions;
  readonly #folder: string;
  readonly #ports: Record<ReplicaName, readonly [number, number]>;
  readonly #running = new Map<ReplicaName, RunningLabd>();

  constructor(
    options: TwoReplicasOptions,
    parts: { postgres: Postgres; redis: TestRedis | undefined; folder: string; ports: readonly number[] },
  ) {
    const [a1 = 0, a2 = 0, b1 = 0, b2 = 0, c1 = 0, c2 = 0] = parts.ports;
    this.#options = options;
    this.postgres = parts.postgres;
    this.redis = parts.redis;
    this.#folder = parts.folder;
    this.#ports = { a: [a1, a2], b: [b1, b2], c: [c1, c2] };
  }

  get a(): RunningLabd {
    return this.#of('a');
  }
  get b(): RunningLabd {
    return this.#of('b');
  }
  get c(): RunningLabd {
    return this.#of('c');
  }
  /** Those that run, by name. */
  get live(): RunningLabd[] {
    return [...this.#running].toSorted(([one], [other]) => one.localeCompare(other)).map(([, labd]) => labd);
  }
  #of(name: ReplicaName): RunningLabd {
    const found = this.#running.get(name);
    if (found === undefined) throw new Error(`replica ${name} does not run`);
    return found;
  }

  /** Starts one, also after it was ended: same folder, same addresses. */
  async start(name: ReplicaName, more: Partial<LabdOptions> = {}): Promise<RunningLabd> {
    const { lab, toml, labd, publicUrl } = this.#options;
    const { redis, postgres } = this;
    const labdOf = await startLabd({
      databaseUrl: postgres.url,
      sharedKeyFile: join(this.#folder, 'kek.key'),
      folder: join(this.#folder, name),
      ...(lab === undefined ? { ports: this.#ports[name] } : { place: { lab, host: `labd-${name}` } }),
      ...(toml !== undefined && { toml }),
      ...(labd !== undefined && { labd }),
      ...(publicUrl !== undefined && { publicUrl }),
      ...(redis !== undefined && { redisUrl: redis.url }),
      ...more,
    });
    this.#running.set(name, labdOf);
    return labdOf;
  }

  /** kill -9. */
  async kill(name: ReplicaName): Promise<void> {
    const found = this.#running.get(name);
    this.#running.delete(name);
    await found?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const labd of this.#running.values()) await labd[Symbol.asyncDispose]();
    await this.redis?.[Symbol.asyncDispose]();
    await this.postgres[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Starts all of it; `b` last, since `a` makes the key. */
export async function startTwoReplicas(options: TwoReplicasOptions = {}): Promise<TwoReplicas> {
  const { lab, redis = true } = options;
  await using opening = new AsyncDisposableStack();
  const placeOf = (host: string) => (lab === undefined ? undefined : { lab, host });
  const [db, cache] = [placeOf('db'), placeOf('redis')];
  const postgres = opening.use(await startPostgres(db === undefined ? {} : { place: db }));
  const ownRedis = redis && hasRedis ? opening.use(await startRedis(cache)) : undefined;
  const folder = mkdtempSync(join(tmpdir(), 'labmesh-replicas-'));
  const replicas = new TwoReplicas(options, { postgres, redis: ownRedis, folder, ports: await freePorts(6) });
  opening.defer(() => replicas[Symbol.asyncDispose]());
  if (options.start !== false) {
    await replicas.start('a');
    await replicas.start('b');
  }
  opening.move();
  return replicas;
}

/** A user whose rights both replicas know. */
export async function userOnBoth(two: TwoReplicas, name: string, roles: readonly string[]): Promise<Identity> {
  const user = await enrolUser(two.b, name, roles);
  const ask = { verb: 'exec', kind: 'servers', name: 'web-1', as: name };
  await waitFor(async () => (await two.a.call<{ allowed: boolean }>('POST', '/api/auth/can-i', ask)).allowed);
  return user;
}
