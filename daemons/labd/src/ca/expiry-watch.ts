/**
 * Certificates that end soon, as events and as the metric `cert_expiry_seconds` (CA-12); `labctl doctor` and `ca status`
 * ask for themselves. The CA's own keys are in the metric always, leaves of machines only while they warn: there are
 * thousands, each renews itself, and one that does not is what somebody has to hear of.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Metrics, Reading } from '@labmesh/kit/metrics';
import type { Authority } from './authority.ts';
import type { ExpiryFinding } from './expiry.ts';

export type ExpiryWatchParts = {
  authority: Pick<Authority, 'findings' | 'status'>;
  metrics: Metrics;
  clock: Clock;
  /** Told of each finding once, and again when its threshold falls. */
  onExpiring: (finding: ExpiryFinding) => void;
};

export class ExpiryWatch {
  readonly #parts: ExpiryWatchParts;
  /** Thresholds that were told, by the finding's id. */
  #told = new Map<string, number>();
  #findings: readonly ExpiryFinding[] = [];

  constructor(parts: ExpiryWatchParts) {
    this.#parts = parts;
    parts.metrics.gauge('cert_expiry_seconds', 'Until the first certificate of a kind ends; negative when it has.', {
      labels: ['kind'],
      read: () => this.#readings(),
    });
  }

  /** Looks again; `tells`: this replica is the one that says so. @throws FleetError STORE_UNAVAILABLE */
  async look(tells: boolean): Promise<void> {
    this.#findings = await this.#parts.authority.findings();
    if (!tells) return;
    const due = this.#findings.filter(({ id, thresholdDays }) => this.#told.get(id) !== thresholdDays);
    // What is no finding any more was renewed: nothing of it is kept.
    this.#told = new Map(this.#findings.map(({ id, thresholdDays }) => [id, thresholdDays]));
    due.forEach(this.#parts.onExpiring);
  }

  *#readings(): Iterable<Reading> {
    const now = this.#parts.clock.wall();
    // A key whose certificate is still to be signed by an offline root ends nowhere yet.
    const inUse = this.#parts.authority
      .status()
      .keys.filter(({ phase, notAfter }) => (phase === 'active' || phase === 'next') && notAfter > 0);
    const ends = [
      ...inUse.map(({ role, notAfter }) => ({ kind: role, notAfter })),
      ...this.#findings.filter(({ subject }) => subject === 'leaf'),
    ];
    const first = new Map<string, number>();
    for (const { kind, notAfter } of ends) first.set(kind, Math.min(notAfter, first.get(kind) ?? Infinity));
    for (const [kind, notAfter] of first) yield { labels: [kind], value: (notAfter - now) / 1000 };
  }
}
