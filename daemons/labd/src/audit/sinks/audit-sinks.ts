/** All sinks of a replica, each with a runner of its own, so that none knows of the others (AU-6). */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Metrics } from '@labmesh/kit/metrics';
import { takeLease } from '@labmesh/store/lease';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { readChains } from '../audit-store.ts';
import { openSinks } from './open-sink.ts';
import { SinkRunner } from './sink-runner.ts';

export type AuditSinksParts = {
  store: Store;
  /** The chain of this replica. */
  own: string;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
  onAlarm?: (sink: string, behind: boolean) => void;
};

const leaseMs = 30_000;
const lookMs = 10_000;
/** A replica silent for so long is gone, and what it left is carried by another. */
const goneMs = 60_000;

/** The chains to carry: the own one, and, for the one replica that holds the lease, those of replicas that are gone. */
function carriedChains({ store, own, clock }: AuditSinksParts): () => Promise<readonly string[]> {
  let known: readonly string[] = [own];
  let lookedAt = -Infinity;
  return async () => {
    if (clock.now() - lookedAt < lookMs) return known;
    known = [own];
    if (await takeLease(store, 'audit-orphans', own, leaseMs)) {
      const since = clock.wall() - goneMs;
      const live = await store.read(system('audit-sinks'), (db) =>
        db.selectFrom('replicas').select('id').where('seen_at', '>', since).execute(),
      );
      const others = new Set(live.map(({ id }) => id));
      known = [own, ...(await readChains(store)).filter((chain) => chain !== own && !others.has(chain))];
    }
    lookedAt = clock.now();
    return known;
  };
}

export class AuditSinks implements AsyncDisposable {
  readonly #runners: readonly SinkRunner[];

  private constructor(runners: readonly SinkRunner[], metrics: Metrics) {
    this.#runners = runners;
    // By their place in the settings: an address may hold a secret.
    metrics.gauge('sink_lag_seconds', 'Age of the oldest audit row that a sink has not taken.', {
      labels: ['sink'],
      read: () => runners.map((runner, i) => ({ labels: [`audit.sinks[${i}]`], value: runner.lagMs() / 1000 })),
    });
  }

  /**
   * Starts a sink for each text of `audit.sinks` (see open-sink.ts).
   * @throws FleetError VALIDATION_FAILED naming the entry; nothing has been started then.
   */
  static start(parts: AuditSinksParts, texts: readonly string[]): AuditSinks {
    const { store, metrics, clock, log, onAlarm } = parts;
    const sinks = openSinks(texts, clock);
    const more = onAlarm === undefined ? {} : { onAlarm };
    return new AuditSinks(
      sinks.map((sink) => SinkRunner.start({ store, sink, clock, log, chains: carriedChains(parts), ...more })),
      metrics,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner[Symbol.asyncDispose]()));
  }
}
