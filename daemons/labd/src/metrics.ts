/** `labmesh_labd_*` (ME-1) on a listener of its own, on loopback. No identity is ever a label. */
import { metricsContentType } from '@labmesh/kit/metrics';
import type { ListenerCounts } from '@labmesh/link/mtls-listener';
import type { Labd } from './labd.ts';

/** Declares what is read at each scrape; counters of the parts are declared where they count. */
function declare(labd: Labd): void {
  const { metrics } = labd;
  const of = (read: (core: NonNullable<Labd['core']>) => number) => ({
    read: () => (labd.core === undefined ? 0 : read(labd.core)),
  });
  metrics.gauge(
    'agents',
    'Agents connected to this replica.',
    of(({ hub }) => hub.connected),
  );
  metrics.gauge(
    'link_accepts_total',
    'Agent links accepted.',
    of(({ hub }) => hub.accepted),
  );
  metrics.gauge(
    'sessions',
    'Sessions whose relay is here.',
    of(({ sessions }) => sessions.live.size),
  );
  metrics.gauge(
    'exec_total',
    'Sessions opened here.',
    of(({ sessions }) => sessions.opened),
  );
  metrics.gauge(
    'relay_bytes_total',
    'Bytes relayed by sessions that ended.',
    of(({ sessions }) => sessions.live.bytes),
  );
  metrics.gauge(
    'client_sockets',
    'Client sockets.',
    of(({ clients }) => clients.size),
  );
  metrics.gauge(
    'audit_queue',
    'Audit rows that wait.',
    of(({ audit }) => audit.queued()),
  );
  metrics.gauge(
    'audit_lag_seconds',
    'Age of the oldest row that waits.',
    of(({ audit }) => audit.lagMs() / 1000),
  );
  metrics.gauge(
    'audit_stopped',
    '1 when another process writes our audit chain: nothing is audited here any more.',
    of(({ audit }) => (audit.stopped() === undefined ? 0 : 1)),
  );
  metrics.gauge(
    'denylist_age_seconds',
    'Age of the deny list.',
    of(({ denyList }) => denyList.ageMs() / 1000),
  );
  metrics.gauge(
    'events_dropped_total',
    'Events that were lost.',
    of(({ events }) => events.dropped),
  );
  declareProcess(labd);
  declareDoors(labd);
}

/** What the process itself meets, whatever it does. */
function declareProcess(labd: Labd): void {
  const { metrics } = labd;
  metrics.gauge('store_retry_total', 'Reads and transactions that were done again after a conflict.', {
    read: () => labd.core?.store.retries ?? 0,
  });
  metrics.gauge('loop_delay_seconds', 'How late the event loop is, 99th percentile of two minutes.', {
    read: () => labd.loopDelay.p99Ms() / 1000,
  });
}

/** Whom the listeners did not let in: a flood shows here first. */
function declareDoors(labd: Labd): void {
  const { metrics } = labd;
  const of = (read: (door: ListenerCounts) => number) => ({
    labels: ['listener'],
    read: () =>
      Object.entries(labd.counts ?? {}).flatMap(([name, door]) =>
        door === undefined ? [] : [{ labels: [name], value: read(door) }],
      ),
  });
  metrics.gauge(
    'turned_away_total',
    'Connections above a bound, closed at once.',
    of(({ turnedAway }) => turnedAway),
  );
  metrics.gauge(
    'handshakes_failed_total',
    'TLS handshakes that failed.',
    of(({ handshakesFailed }) => handshakesFailed),
  );
}

/** Opens the listener; port 0 picks one, no address none. @throws the bind's error. */
export async function serveMetrics(labd: Labd): Promise<AsyncDisposable & { port: number | undefined }> {
  declare(labd);
  const at = labd.ground.metrics;
  if (at === undefined) return { port: undefined, [Symbol.asyncDispose]: async () => {} };
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    fetch: (request) => {
      // A page of another origin that was led here by DNS reads nothing.
      if (request.headers.has('origin')) return new Response('', { status: 403 });
      if (new URL(request.url).pathname !== '/metrics') return new Response('', { status: 404 });
      return new Response(labd.metrics.render(), { headers: { 'Content-Type': metricsContentType } });
    },
  });
  return { port: server.port, [Symbol.asyncDispose]: () => server.stop(true) };
}
