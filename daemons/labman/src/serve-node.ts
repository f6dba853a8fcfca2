import { systemClock } from '@labmesh/kit/clock';
import { createLogger } from '@labmesh/kit/log';
import { OptionsError } from '@labmesh/kit/options';
import type { Life } from '@labmesh/kit/run';
import { showListenAddress } from '@labmesh/kit/http/listen-address';
import type { LabmanConfig } from './labman-config.ts';
import { startLabman } from './labman.ts';
import { openAdminSocket } from './admin/admin-socket.ts';
import { type LabmandFlags, logLevelOf } from './labmand-options.ts';

type ServeParts = { flags: LabmandFlags; life: Life; warnings: readonly string[]; version: string };

/** Where the proxy listens, or why it cannot. @throws OptionsError */
function checkListeners({ path, classic, proxy, tunnel }: LabmanConfig): void {
  if (proxy.local !== undefined || tunnel !== undefined) return;
  const table = (name: string) => (classic ? `[${name}]` : `[labman.${name}]`);
  const conplane = table('control_plane');
  const hint = `write local_addr = "127.0.0.1:8080" below ${table('proxy')}, or name a Conplane below ${conplane}`;
  throw new OptionsError(
    { source: path, key: 'proxy.local_addr', exitCode: 3, hint },
    'is missing, and without a tunnel there is nothing else to serve on',
  );
}

/**
 * Runs a node until the life ends, then drains it.
 * @throws OptionsError for settings that cannot be served, AddressInUseError for a listener, TunnelError and
 *   TunnelKeyError for the tunnel, FleetError for a token that is refused with `on_auth_failure = "stop"`.
 */
export async function serveNode(config: LabmanConfig, { flags, life, warnings, version }: ServeParts): Promise<void> {
  const { telemetry, proxy, endpoints, tunnel } = config;
  const format = flags.logFormat ?? telemetry.logFormat;
  const log = createLogger({
    level: logLevelOf(flags.logLevel, telemetry.logLevel),
    format: format === 'json' ? 'json' : 'pretty',
  });
  for (const warning of warnings) log.warn(warning);
  checkListeners(config);
  log.info('labmand starts', {
    version,
    config: config.path,
    classic: config.classic,
    slug_scheme: config.slugScheme,
    endpoints: endpoints.length,
  });
  const { stateDir } = flags;
  const common = { clock: systemClock, log, signal: life.signal, stateDir };
  await using labman = await startLabman(config, common);
  // Keys, threads and devices are not loaded by a node that serves its own machine only.
  const openSite = tunnel && (await import('./site.ts')).openSite;
  await using site = openSite && (await openSite({ config, tunnel, labman, version, ...common }));
  await using socket = openAdminSocket({ path: flags.adminSocket, site, stateDir, log });
  const healthy = labman.registry.endpoints.filter((endpoint) => labman.registry.usable(endpoint)).length;
  log.info('labmand is ready', {
    address: proxy.local && `http://${showListenAddress({ ...proxy.local, port: labman.proxyPort ?? 0 })}/v1`,
    admin_socket: socket?.path ?? 'off',
    metrics_port: labman.metricsPort ?? 'off',
    healthy,
    slugs: labman.slugs.list().length,
  });
  // A refused token ends the node only when the operator wants it so.
  await Promise.race([life.stopped, site?.done.then(() => life.stopped)]);
  log.info('labmand drains', { timeout_s: proxy.drainTimeoutMs / 1_000 });
  const cut = await labman.drain();
  log.info('labmand ended', { cut });
}
