/** The tables of labman.toml and what each key may be (network plane 2.3). `endpoints` are read by the registry. */
import type { Field } from '@labmesh/kit/options/read-fields';
import { isIP } from 'node:net';
import { z } from 'zod';
import { fingerprintInput } from '@labmesh/wire/tunnel';
import { parseLogLevel } from './log-level.ts';
import { isCidr } from '@labmesh/kit/http/listen-address';

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const control = /[\u0000-\u001f\u007f-\u009f]/;

const text = (name: string, example: string, max = 4_096) => ({
  schema: z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !control.test(value)),
  expected: `a text of 1–${max} characters`,
  example: `${name} = "${example}"`,
});
const form = (name: string, example: string, expected: string, fits: (value: string) => boolean) => ({
  schema: z.string().max(4_096).refine(fits),
  expected,
  example: `${name} = "${example}"`,
});
const integer = (name: string, example: number, min: number, max: number) => ({
  schema: z.number().int().min(min).max(max),
  expected: `an integer ${min}–${max}`,
  example: `${name} = ${example}`,
});
const flag = (name: string, example: boolean) => ({
  schema: z.boolean(),
  expected: 'true or false',
  example: `${name} = ${example}`,
});
const choice = <const T extends readonly [string, ...string[]]>(name: string, choices: T) => ({
  schema: z.enum(choices),
  expected: `one of ${choices.join(', ')}`,
  example: `${name} = "${choices[0]}"`,
});

const isUrl = (value: string) => /^https?:\/\//.test(value) && URL.canParse(value);
// 32 bytes in base64, as `wg genkey` and `wg pubkey` write them.
const isKey = (value: string) => /^[A-Za-z0-9+/]{43}=$/.test(value);
const isHostPort = (value: string) => /^(?:\[[0-9a-f:.]+\]|[A-Za-z0-9._-]{1,253}):\d{1,5}$/i.test(value);

export const controlPlaneFields = {
  // Not shown: a password may stand in it.
  base_url: {
    ...form(
      'base_url',
      'https://conplane.example.com',
      'an http or https address without user, query and fragment',
      (value) => {
        return isUrl(value) && !/[@?#]/.test(value);
      },
    ),
    secret: true,
  },
  node_token: { ...text('node_token', 'lmn_…'), secret: true },
  node_token_file: { ...text('node_token_file', '/etc/labman/node.token'), secret: true },
  region: text('region', 'eu-central', 64),
  description: text('description', 'rack 4', 256),
  ca_sha256: form('ca_sha256', '64 hex digits', '64 hex digits', (value) => /^[0-9a-fA-F]{64}$/.test(value)),
  on_auth_failure: choice('on_auth_failure', ['wait', 'stop']),
  insecure: flag('insecure', false),
} as const satisfies Record<string, Field>;

export const wireguardFields = {
  interface_name: form('interface_name', 'labman0', '1–15 letters, digits, _ . or -', (value) =>
    /^[\w.-]{1,15}$/.test(value),
  ),
  address: form('address', '10.90.0.2/32', 'one address with /32 (IPv6: /128)', (value) => {
    return isCidr(value) && value.endsWith(isIP(value.split('/')[0] ?? '') === 4 ? '/32' : '/128');
  }),
  private_key_path: text('private_key_path', '/var/lib/labman/wg.key'),
  public_key_path: text('public_key_path', '/var/lib/labman/wg.pub'),
  peer_endpoint: form('peer_endpoint', 'conplane.example.com:51820', 'host:port', isHostPort),
  // Not shown: a private key looks the same.
  peer_public_key: { ...form('peer_public_key', '44 characters', 'a WireGuard key in base64', isKey), secret: true },
  peer_address: form('peer_address', '10.90.0.1', 'an IP address', (value) => isIP(value) !== 0),
  allowed_ips: {
    schema: z.array(z.string().refine(isCidr)).max(256),
    expected: 'a list of networks such as 10.90.0.1/32, none of them empty',
    example: 'allowed_ips = []',
  },
  range: form('range', '10.90.0.0/16', 'a network', (value) => value.includes('/') && isCidr(value)),
  isolation: choice('isolation', ['auto', 'netns', 'filter', 'none']),
  require_pq: flag('require_pq', true),
  backend: choice('backend', ['auto', 'kernel', 'wireguard-go', 'native']),
  aead: choice('aead', ['auto', 'libcrypto', 'wasm']),
  mtu: integer('mtu', 1_420, 1_280, 1_420),
  keepalive_s: integer('keepalive_s', 25, 1, 120),
  fallback_after_s: integer('fallback_after_s', 60, 10, 3_600),
} as const satisfies Record<string, Field>;

export const rosenpassFields = {
  private_key_path: text('private_key_path', '/var/lib/labman/pqsk'),
  public_key_path: text('public_key_path', '/var/lib/labman/pqpk'),
  peer_public_key_path: text('peer_public_key_path', '/etc/labman/peer.pub'),
  peer_sha256: {
    schema: fingerprintInput,
    expected: '64 hex digits',
    example: 'peer_sha256 = "sha256:…"',
  },
  endpoint: form('endpoint', 'conplane.example.com:9999', 'host:port', isHostPort),
  protocol_version: choice('protocol_version', ['auto', 'V02', 'V03']),
  ciphertext: choice('ciphertext', ['auto', 'pc188', 'r4-156']),
  preshared_key_path: text('preshared_key_path', '/etc/labman/psk'),
  key_out: text('key_out', '/run/labman/psk'),
} as const satisfies Record<string, Field>;

/** Names of proxy routes, and the paths that mean them. */
export const proxyPaths = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  models: '/v1/models',
  embeddings: '/v1/embeddings',
  responses: '/v1/responses',
  messages: '/v1/messages',
  rerank: '/v1/rerank',
} as const;
export type ProxyPath = keyof typeof proxyPaths;
const pathNames = Object.keys(proxyPaths) as ProxyPath[];

/** `chat`, `/v1/chat/completions`, `chat/completions`: one route. */
const pathName = (value: string): ProxyPath | undefined =>
  pathNames.find((name) => name === value || proxyPaths[name] === `/v1/${value.replace(/^\/?(?:v1\/)?/, '')}`);

export const proxyFields = {
  listen_port: integer('listen_port', 8_080, 1, 65_535),
  listen_addr: text('listen_addr', '10.90.0.2:8080', 64),
  local_addr: text('local_addr', '127.0.0.1:8080', 64),
  paths: {
    schema: z
      .array(z.string().refine((value) => pathName(value) !== undefined))
      .max(pathNames.length * 2)
      .transform((names) => [...new Set(names.flatMap((name) => pathName(name) ?? []))]),
    expected: `a list of ${pathNames.join(', ')}`,
    example: 'paths = ["chat", "completions", "models", "embeddings"]',
  },
  max_body_mb: integer('max_body_mb', 64, 1, 1_024),
  max_streams: integer('max_streams', 1_024, 1, 65_536),
  drain_timeout_s: integer('drain_timeout_s', 30, 0, 3_600),
  inject_usage: flag('inject_usage', true),
} as const satisfies Record<string, Field>;

export const portmanFields = {
  listen_addr: text('listen_addr', '127.0.0.1:9100', 64),
  require_key: flag('require_key', true),
  auto_endpoint: flag('auto_endpoint', true),
  allow_lan: flag('allow_lan', false),
} as const satisfies Record<string, Field>;

/** What a Conplane may ask a portman for; nothing outside this list is ever passed on. */
const directives = ['preload_model', 'evict_model', 'assign_workload', 'drain'] as const;
export const directivesFields = {
  allow: {
    schema: z.array(z.enum(directives)).max(directives.length),
    expected: `a list of ${directives.join(', ')}`,
    example: 'allow = ["preload_model"]',
  },
  force: flag('force', false),
  queue_s: integer('queue_s', 300, 0, 86_400),
} as const satisfies Record<string, Field>;

export const telemetryFields = {
  log_level: {
    schema: z.string().transform((value, context) => {
      const level = parseLogLevel(value);
      if (level === undefined) context.addIssue({ code: 'custom', message: 'no level' });
      return level ?? 'info';
    }),
    expected: 'error, warn, info, debug or trace',
    example: 'log_level = "info"',
  },
  log_format: choice('log_format', ['text', 'json']),
  disable_metrics: flag('disable_metrics', false),
  allow_lan: flag('allow_lan', false),
  metrics_port: integer('metrics_port', 9_090, 0, 65_535),
  report_metrics: flag('report_metrics', true),
} as const satisfies Record<string, Field>;

export const topFields = { slug_scheme: choice('slug_scheme', ['sealed', 'classic']) } as const satisfies Record<
  string,
  Field
>;
/** Keys of the top level that are tables of their own. */
export const tableNames = [
  'control_plane',
  'wireguard',
  'proxy',
  'portman',
  'directives',
  'telemetry',
  'endpoints',
  'endpoint',
];
