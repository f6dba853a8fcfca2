import type { EndpointSpec } from '@labmesh/inference/registry/endpoint';
import { type ListenAddress, showListenAddress } from '@labmesh/kit/http/listen-address';
import type { TunnelConfig } from './config/read-tunnel.ts';
import type { LabmanConfig } from './labman-config.ts';

const shown = (address: ListenAddress | undefined) => (address === undefined ? 'none' : showListenAddress(address));
const list = (texts: readonly string[]) => (texts.length === 0 ? 'all' : texts.join(', '));

/** An endpoint as the operator reads it: whether a secret is set, never the secret. */
function endpointLines(spec: EndpointSpec): string[] {
  const { name, baseUrl, kind, tenant, maxConcurrent, weight, timeouts } = spec;
  return [
    `endpoint ${name}`,
    `  base_url = ${baseUrl}`,
    `  kind = ${kind}, tenant = ${JSON.stringify(tenant)}, weight = ${weight}, max_concurrent = ${maxConcurrent === 0 ? 'by kind' : maxConcurrent}`,
    `  api_key = ${spec.apiKey === undefined ? 'unset' : 'set'}, headers = ${Object.keys(spec.headers).join(', ') || 'none'}`,
    `  models = ${list(spec.modelsInclude)}${spec.modelsExclude.length === 0 ? '' : `, without ${spec.modelsExclude.join(', ')}`}`,
    `  timeouts = connect ${timeouts.connectMs} ms, ttft ${timeouts.ttftMs} ms, idle ${timeouts.interTokenMs} ms, total ${timeouts.totalMs} ms`,
  ];
}

/** What of the tunnel is settled here; the rest comes from the hub. No key, no pre-shared one above all. */
function tunnelLines(tunnel: TunnelConfig | undefined): string[] {
  if (tunnel === undefined) return ['wireguard = none'];
  const { backend, isolation, interfaceName, address, peer, rosenpass, requirePq } = tunnel;
  const mode = requirePq === undefined ? 'by the peer’s key' : String(requirePq);
  return [
    `wireguard = ${interfaceName}, ${address ?? 'address from the Conplane'}, backend ${backend}, isolation ${isolation}`,
    `wireguard.peer = ${peer.endpoint ?? 'from the Conplane'}, require_pq ${mode}`,
    `wireguard.rosenpass = ${rosenpass.endpoint ?? 'endpoint from the Conplane'}, ${rosenpass.version}, ${rosenpass.ciphertext}`,
  ];
}

/** The decided settings as text, a line each, without secrets. */
export function configSummary(config: LabmanConfig): string {
  const { proxy, telemetry } = config;
  const lines = [
    `config = ${config.path}${config.classic ? ' (classic labman.toml)' : ''}`,
    `control_plane = ${config.controlPlane?.url ?? 'none'}`,
    ...tunnelLines(config.tunnel),
    `slug_scheme = ${config.slugScheme}`,
    `proxy.local_addr = ${shown(proxy.local)}`,
    `proxy.max_body_mb = ${proxy.bodyBytesMax / 1024 / 1024}, max_streams = ${proxy.streamsMax}, drain_timeout_s = ${proxy.drainTimeoutMs / 1_000}, inject_usage = ${proxy.injectUsage}`,
    `metrics = ${shown(telemetry.metrics)}`,
    `log = ${telemetry.logLevel}, ${telemetry.logFormat}`,
    ...config.endpoints.flatMap(endpointLines),
  ];
  return `${lines.join('\n')}\n`;
}
