/**
 * A node's settings: a classic `labman.toml` on its own, or the table `[labman]` of a `labmesh.toml`. All documented
 * keys are checked; only those that this version acts on are kept, so that nothing can claim to use the others.
 */
import { basename } from 'node:path';
import { isTomlTable } from '@labmesh/kit/options/read-fields';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { OptionsError, showFound } from '@labmesh/kit/options/options-error';
import type { LogLevel } from '@labmesh/kit/log';
import type { EndpointSpec, Target } from '@labmesh/inference/registry/endpoint';
import { readEndpoints } from '@labmesh/inference/registry/endpoint-config';
import {
  isForbiddenTarget,
  isLoopback,
  isPrivate,
  isWildcard,
  type ListenAddress,
  parseListenAddress,
} from '@labmesh/kit/http/listen-address';
import { type ControlPlaneConfig, readControlPlane } from './config/read-control-plane.ts';
import { type ConfigRules, type Reader, readTable, safeAddress, warnAt } from './config/reader.ts';
import { defaultTunnel, readTunnel, type TunnelConfig } from './config/read-tunnel.ts';
import * as tables from './config/tables.ts';

export type LabmanConfig = {
  path: string;
  classic: boolean;
  controlPlane: ControlPlaneConfig | undefined;
  /** Undefined: neither a tunnel nor a Conplane is configured. */
  tunnel: TunnelConfig | undefined;
  slugScheme: 'classic' | 'sealed';
  proxy: {
    /** Port on the tunnel address. */
    tunnelPort: number;
    /** The operator's own listener, loopback; undefined = none. */
    local: ListenAddress | undefined;
    /** What the tunnel address would offer. The local address offers all. */
    paths: readonly tables.ProxyPath[];
    bodyBytesMax: number;
    streamsMax: number;
    drainTimeoutMs: number;
    injectUsage: boolean;
  };
  telemetry: { logLevel: LogLevel; logFormat: 'text' | 'json'; metrics: ListenAddress | undefined; allowLan: boolean };
  endpoints: EndpointSpec[];
};

/** Waits where an entry says nothing: longer than the gateway's, whose caller may be another gateway that waits too. */
export const labmanTimeouts = {
  connectMs: 5_000,
  queueMs: 10_000,
  loadMs: 300_000,
  ttftMs: 600_000,
  interTokenMs: 120_000,
  totalMs: 3_600_000,
};
const probeIntervalMs = 30_000;
const megabyte = 1024 * 1024;

/** X9: `listen_addr` belongs to the tunnel, `local_addr` to the operator; the two never stand in for each other. */
function readProxy(reader: Reader, tunnelAddress: string | undefined): LabmanConfig['proxy'] {
  const values = readTable(reader, 'proxy', reader.root['proxy'], tables.proxyFields);
  const port = values.listen_port ?? 8_080;
  if (values.listen_addr !== undefined) {
    const example =
      tunnelAddress === undefined ? 'nothing: the tunnel address is taken' : `listen_addr = "${tunnelAddress}"`;
    safeAddress(reader, { key: 'proxy.listen_addr', text: values.listen_addr, port, example }, ({ host }) =>
      tunnelAddress !== undefined && host !== tunnelAddress ? 'is not the tunnel address' : undefined,
    );
  }
  const example = 'local_addr = "127.0.0.1:8080"';
  const local =
    values.local_addr === undefined
      ? undefined
      : safeAddress(reader, { key: 'proxy.local_addr', text: values.local_addr, port, example }, ({ host }) =>
          isLoopback(host) ? undefined : 'is not a loopback address',
        );
  return {
    tunnelPort: port,
    local,
    paths: values.paths ?? ['chat', 'completions', 'models'],
    bodyBytesMax: (values.max_body_mb ?? 64) * megabyte,
    streamsMax: values.max_streams ?? 1_024,
    drainTimeoutMs: (values.drain_timeout_s ?? 30) * 1_000,
    injectUsage: values.inject_usage ?? true,
  };
}

/** Where portman would join: this machine, or its LAN when the operator asks for it twice. */
function checkPortman(reader: Reader): void {
  const values = readTable(reader, 'portman', reader.root['portman'], tables.portmanFields);
  const requireKey = values.require_key ?? !reader.classic;
  if (reader.classic && values.require_key === undefined) {
    warnAt(
      reader,
      'portman.require_key',
      'is not set, which means false in a classic file: any program of this machine may join; write require_key = true',
    );
  }
  if (values.listen_addr === undefined) return;
  const at = {
    key: 'portman.listen_addr',
    text: values.listen_addr,
    port: 9_100,
    example: 'listen_addr = "127.0.0.1:9100"',
  };
  safeAddress(reader, at, ({ host }) => {
    if (isLoopback(host)) return undefined;
    if (!isPrivate(host)) return 'is neither a loopback nor a private address';
    return values.allow_lan === true && requireKey
      ? undefined
      : 'is a private address, which needs allow_lan = true and require_key = true';
  });
}

function readTelemetry(reader: Reader): LabmanConfig['telemetry'] {
  const values = readTable(reader, 'telemetry', reader.root['telemetry'], tables.telemetryFields);
  return {
    logLevel: values.log_level ?? 'info',
    logFormat: values.log_format ?? 'text',
    metrics: values.disable_metrics === true ? undefined : { host: '127.0.0.1', port: values.metrics_port ?? 9_090 },
    allowLan: values.allow_lan ?? false,
  };
}

function readSlugScheme(reader: Reader): LabmanConfig['slugScheme'] {
  // A canonical file has other parts beside [labman]; here only labman's own table is looked at.
  const values = readTable(reader, '', reader.root, tables.topFields, tables.tableNames);
  if (values.slug_scheme !== undefined) return values.slug_scheme;
  if (!reader.classic) return 'sealed';
  warnAt(
    reader,
    'slug_scheme',
    'is not set, which means "classic" in a classic file: such slugs give endpoint addresses away; write slug_scheme = "sealed"',
  );
  return 'classic';
}

/** Whether a file is a labman.toml of the earlier program: no `[labman]` table, and not called labmesh.toml. */
export const isClassicFile = (file: OptionsFile): boolean =>
  !('labman' in file.data) && basename(file.path) !== 'labmesh.toml';

/** The endpoints, none of which may be this node itself or an address that never is an LLM server. */
function readOwnEndpoints(reader: Reader, listeners: readonly (ListenAddress | undefined)[]): EndpointSpec[] {
  const { file, root, classic, rules } = reader;
  const refuse = (target: Target) => {
    if (isForbiddenTarget(target.host)) return 'is a link-local or metadata address';
    const own =
      isLoopback(target.host) &&
      listeners.some((listener) => listener !== undefined && listener.port !== 0 && listener.port === target.port);
    return own ? 'is a listener of this node itself' : undefined;
  };
  // A labmesh.toml whose [labman] lists no endpoints offers those that the whole file lists, under the gateway's rules.
  const shared = !classic && root['endpoints'] === undefined && root['endpoint'] === undefined;
  return readEndpoints(file, {
    requireV1: !shared,
    under: shared ? '' : reader.under,
    timeouts: labmanTimeouts,
    probeIntervalMs,
    refuse,
    ...(classic && !rules.strict ? { warn: rules.warn } : {}),
  });
}

/**
 * Reads and checks a node's settings.
 * @throws OptionsError for the first fault: exit 3, or 8 for an address that must not be listened on.
 */
export function readLabmanConfig(file: OptionsFile, rules: ConfigRules): LabmanConfig {
  const classic = isClassicFile(file);
  const raw = classic ? file.data : (file.data['labman'] ?? {});
  const reader: Reader = { file, under: classic ? '' : 'labman', root: isTomlTable(raw) ? raw : {}, classic, rules };
  if (!isTomlTable(raw)) readTable(reader, '', raw, tables.topFields);
  const slugScheme = readSlugScheme(reader);
  const controlPlane = readControlPlane(reader);
  const tunnel = readTunnel(reader) ?? (controlPlane === undefined ? undefined : defaultTunnel(reader));
  const proxy = readProxy(reader, tunnel?.address);
  checkPortman(reader);
  readTable(reader, 'directives', reader.root['directives'], tables.directivesFields);
  const telemetry = readTelemetry(reader);
  const endpoints = readOwnEndpoints(reader, [proxy.local, telemetry.metrics]);
  return {
    path: file.path,
    classic,
    controlPlane,
    tunnel,
    slugScheme,
    proxy,
    telemetry,
    endpoints,
  };
}

/** `--bind-addr`: where metrics are served. @throws OptionsError: exit 2 when it is no address, 8 when it is unsafe. */
export function withMetricsAddress(config: LabmanConfig, text: string): LabmanConfig {
  const { telemetry } = config;
  const address = parseListenAddress(text, telemetry.metrics?.port ?? 9_090);
  const fault = {
    source: '--bind-addr',
    found: showFound(text),
    expected: 'IP or IP:port',
    hint: 'write --bind-addr 127.0.0.1',
  };
  if (address === undefined) throw new OptionsError({ ...fault, exitCode: 2 });
  const { host } = address;
  if (isWildcard(host))
    throw new OptionsError(
      { ...fault, exitCode: 8 },
      `${showFound(text)} is a wildcard address, which is never listened on`,
    );
  if (!isLoopback(host) && !(isPrivate(host) && telemetry.allowLan)) {
    throw new OptionsError(
      { ...fault, exitCode: 8 },
      `${showFound(text)} is no loopback address; a private one needs telemetry.allow_lan = true`,
    );
  }
  return telemetry.metrics === undefined ? config : { ...config, telemetry: { ...telemetry, metrics: address } };
}
