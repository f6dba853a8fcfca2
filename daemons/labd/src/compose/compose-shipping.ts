/** Logs of agents on their way to the collector, and what is measured there (AG-7). */
import type { Metrics } from '@labmesh/kit/metrics';
import { LogDesk } from '../hub/shipping/log-desk.ts';
import { LogForwarder } from '../hub/shipping/log-forwarder.ts';
import { OtlpCollector } from '../hub/shipping/otlp-collector.ts';
import { ServerLabels } from '../hub/shipping/server-labels.ts';
import type { CollectorSettings } from '../settings/collector-settings.ts';
import type { World } from '../settings/world.ts';

export type ShippingParts = Pick<World, 'store' | 'clock' | 'log'> & {
  /** Undefined: agents are told to ship nothing. */
  collector: CollectorSettings | undefined;
  metrics: Metrics;
};

/** Declares `log_*`; no identity is a label (ME-1). */
function declare(desk: LogDesk, forwarder: LogForwarder | undefined, metrics: Metrics): void {
  const gauge = (name: string, help: string, read: () => number) => void metrics.gauge(name, help, { read });
  const counts = () => forwarder?.counts;
  gauge('log_lines_total', 'Lines of agents that the collector took.', () => counts()?.takenLines ?? 0);
  gauge(
    'log_refused_lines_total',
    'Lines that the collector will never take.',
    () => (counts()?.refusedLines ?? 0) + (counts()?.rejectedLines ?? 0),
  );
  gauge('log_unreadable_batches_total', 'Batches of agents that were none.', () => desk.unreadable);
  gauge('log_turned_away_total', 'Batches put off: collector away, queue full.', () => counts()?.turnedAway ?? 0);
  gauge('log_posts_total', 'Requests to the collector.', () => counts()?.posts ?? 0);
  gauge('log_queue_bytes', 'Lines that wait for the collector.', () => forwarder?.queuedBytes ?? 0);
  gauge('log_collector_up', 'Whether the collector takes logs.', () => Number(forwarder?.isAway === false));
  gauge('log_agent_spooled_bytes', 'What the agents here keep on disk.', () => desk.reported.spooledBytes);
  gauge('log_agent_dropped_lines', 'Lines that the agents here had to drop.', () => desk.reported.droppedLines);
}

export function composeShipping(parts: ShippingParts, stack: AsyncDisposableStack): LogDesk {
  const { collector, store, clock, metrics } = parts;
  const log = parts.log.child({ part: 'log-shipping' });
  const labels = new ServerLabels(store, clock);
  const otlp = collector && new OtlpCollector(collector);
  const forwarder =
    otlp &&
    stack.use(
      new LogForwarder({
        post: (body, signal) => otlp.post(body, signal),
        labels: (id) => labels.of(id),
        clock,
        log,
      }),
    );
  const desk = new LogDesk({ forwarder, wall: () => clock.wall() });
  declare(desk, forwarder, metrics);
  return desk;
}
