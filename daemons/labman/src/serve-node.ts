import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { OptionsError } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { showListenAddress } from '@labmesh/kit/http/listen-address';
import type { LabmanConfig } from './labman-config.ts';
import { startLabman } from './labman.ts';
import { type LabmandFlags, logLevelOf } from './labmand-options.ts';

type ServeParts = { flags: LabmandFlags; life: Life; warnings: readonly string[]; version: string };

/**
 * Runs a node until the life ends, then drains it.
 * @throws OptionsError for settings that cannot be served, AddressInUseError for a listener.
 */
export async function serveNode(config: LabmanConfig, { flags, life, warnings, version }: ServeParts): Promise<void> {
  const { telemetry, proxy, endpoints } = config;
  const format = flags.logFormat ?? telemetry.logFormat;
  const log = createLogger({
    level: logLevelOf(flags.logLevel, telemetry.logLevel),
    format: format === 'json' ? 'json' : 'pretty',
  });
  for (const warning of warnings) log.warn(warning);
  if (proxy.local === undefined) {
    const hint = 'write local_addr = "127.0.0.1:8080" below [proxy]';
    throw new OptionsError(
      { source: config.path, key: 'proxy.local_addr', exitCode: 3, hint },
      'is missing, and this version has no tunnel to serve on',
    );
  }
  log.info('labmand starts', {
    version,
    config: config.path,
    classic: config.classic,
    slug_scheme: config.slugScheme,
    endpoints: endpoints.length,
  });
  if (config.controlPlaneUrl !== undefined || config.hasTunnel) {
    log.warn('tunnel and Conplane link are not in this version: serving on the local address only');
  }
  await using labman = await startLabman(config, {
    clock: systemClock,
    log,
    signal: life.signal,
    stateDir: flags.stateDir,
  });
  const healthy = labman.registry.endpoints.filter((endpoint) => labman.registry.usable(endpoint)).length;
  log.info('labmand is ready', {
    address: `http://${showListenAddress({ ...proxy.local, port: labman.proxyPort ?? 0 })}/v1`,
    metrics_port: labman.metricsPort ?? 'off',
    healthy,
    slugs: labman.slugs.list().length,
  });
  await life.stopped;
  log.info('labmand drains', { timeout_s: proxy.drainTimeoutMs / 1_000 });
  const cut = await labman.drain();
  log.info('labmand ended', { cut });
}
