import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import type { Life } from '@labmesh/kit/run';
import { Labd } from './labd.ts';
import { serveMetrics } from './metrics.ts';
import type { LabdOptions } from './settings/labd-options.ts';

/** Serves until the process is told to stop. @throws what a start does: settings, folder or key that are wrong */
export async function runLabd(options: LabdOptions, life: Life, version: string): Promise<void> {
  const log = createLogger(
    { level: options.logLevel, format: process.stderr.isTTY ? 'pretty' : 'json' },
    { part: 'labd' },
  );
  const labd = life.stack.use(await Labd.start(options, { clock: systemClock, log, version }));
  life.stack.use(await serveMetrics(labd));
  log.info('labd listens', { api: labd.urls.api, agents: labd.urls.agent });
  // Settings that can never work end the process; a database that is away does not.
  await Promise.race([labd.ready, life.stopped]);
  await life.stopped;
  // A second signal ends a process at once, with 1 (SD-1).
  const forced = setTimeout(() => process.kill(process.pid, 'SIGTERM'), options.shutdownForceMs);
  forced.unref();
  await labd.drain();
}
