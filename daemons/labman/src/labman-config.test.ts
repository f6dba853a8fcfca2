import { expect, test } from 'bun:test';
import { parseConfig } from '@labmesh/kit/config-file';
import { OptionsError } from '@labmesh/kit/options';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { configSummary } from './config-summary.ts';
import { parseLogLevel } from './config/log-level.ts';
import { type LabmanConfig, readLabmanConfig, withMetricsAddress } from './labman-config.ts';

const endpoint = '[[endpoints]]\nname = "a"\nbase_url = "http://10.0.0.5:11434/v1"\n';
const quiet = 'slug_scheme = "sealed"\nportman = { require_key = true }\n';

function read(toml: string, path = 'labman.toml'): { config: LabmanConfig; warnings: string[] } {
  const warnings: string[] = [];
  return { config: readLabmanConfig(parseConfig(path, toml), { warn: (line) => void warnings.push(line) }), warnings };
}
function fault(run: () => unknown): OptionsError {
  try {
    run();
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('no error');
}

const classicFile = `
[control_plane]
base_url = "https://conplane.example"
node_token = "very-secret-token"
region = "eu"
[wireguard]
interface_name = "labman0"
address = "10.90.0.2/32"
private_key_path = "/etc/labman/wg.key"
peer_endpoint = "conplane.example:51820"
allowed_ips = ["10.90.0.1/32"]
[wireguard.rosenpass]
private_key_path = "/etc/labman/rp.key"
[proxy]
listen_port = 8080
listen_addr = "10.90.0.2"
[telemetry]
log_level = "info,labmand=debug"
metrics_port = 9191
[[endpoint]]
name = "ollama"
base_url = "http://10.6.0.213:11434/v1"
models.include = ["mistral*"]
max_concurrent = 2
tenant = "tenantA"
`;

test('a classic file, all of it, is read as it was', () => {
  const { config, warnings } = read(classicFile);
  expect(config).toMatchObject({
    classic: true,
    controlPlane: { url: 'https://conplane.example/api/v1', onAuthFailure: 'wait' },
    tunnel: { interfaceName: 'labman0', isolation: 'auto', backend: 'auto', requirePq: undefined },
    slugScheme: 'classic',
    proxy: {
      local: undefined,
      paths: ['chat', 'completions', 'models'],
      bodyBytesMax: 64 * 2 ** 20,
      streamsMax: 1024,
      drainTimeoutMs: 30_000,
      injectUsage: true,
    },
    telemetry: { logLevel: 'debug', logFormat: 'text', metrics: { host: '127.0.0.1', port: 9191 } },
  });
  expect(config.endpoints[0]).toMatchObject({
    name: 'ollama',
    tenant: 'tenantA',
    maxConcurrent: 2,
    modelsInclude: ['mistral*'],
    probeIntervalMs: 30_000,
    timeouts: { connectMs: 5_000, ttftMs: 600_000, interTokenMs: 120_000, totalMs: 3_600_000 },
  });
  expect(warnings.map((line) => line.split(': ')[1])).toEqual(['slug_scheme', 'portman.require_key']);
});

test('a permissive link is told what can be done to it (tunnel Q7)', () => {
  const told = (value: string) => read(`[labman.wireguard]\n${value}`, 'labmesh.toml').warnings;
  expect(told('require_pq = false')).toEqual([
    expect.stringContaining('whoever can drop UDP 9999 can force this link'),
  ]);
  expect([told('require_pq = true'), told('mtu = 1420')]).toEqual([[], []]);
});

test('allowed IPs: only the peer’s own address has effect, and whatever else stands there is told (tunnel 2.2)', () => {
  const ignored = (list: string, more = '') =>
    read(`[labman.wireguard]\nallowed_ips = ${list}\n${more}`, 'labmesh.toml').warnings;
  expect(ignored('[]')).toEqual([]);
  expect(ignored('["10.90.0.1/32"]')).toEqual([]);
  expect(ignored('["10.90.0.1/32"]', 'peer_address = "10.90.0.1"')).toEqual([]);
  const told = ignored(
    '["0.0.0.0/0", "::/0", "192.168.0.0/24", "10.90.0.0/16", "10.90.0.7/32"]',
    'peer_address = "10.90.0.1"',
  );
  expect(told).toHaveLength(5);
  for (const line of told) expect(line).toMatch(/wireguard\.allowed_ips: allowed_ips_ignored: ".*" has no effect/);
  // The LAN is told apart: it is what such a line is mostly meant to open.
  expect(told.map((line) => line.includes('private network'))).toEqual([false, false, true, true, true]);
  expect(ignored('["10.91.0.1/32"]')).toHaveLength(1);
});

test('classic and canonical files give one configuration', () => {
  const spoken = `slug_scheme = "classic"\n${classicFile}`;
  const canonical = spoken
    .replace('slug_scheme', '[labman]\nslug_scheme')
    .replace('[[endpoint]]', '[[labman.endpoints]]')
    .replaceAll(/^\[(control_plane|wireguard|proxy|telemetry)/gm, '[labman.$1');
  const { config: one } = read(spoken);
  const { config: two } = read(canonical, 'labmesh.toml');
  expect({ ...two, path: '', classic: true }).toEqual({ ...one, path: '' });
});

test('a canonical file is sealed and asks for keys without a warning', () => {
  expect(read('[labman.proxy]\nlocal_addr = "127.0.0.1"', 'labmesh.toml')).toMatchObject({
    config: { slugScheme: 'sealed', proxy: { local: { port: 8080 } } },
    warnings: [],
  });
});

test('a labmesh.toml that lists its endpoints for all offers those, with or without /v1', () => {
  const { config } = read('[gateway]\nport = 1\n[[endpoints]]\nname = "a"\nbase_url = "http://h:1"', 'labmesh.toml');
  expect(config.endpoints.map(({ name }) => name)).toEqual(['a']);
});

test('unknown keys: a classic file is warned with the nearest name, a canonical one is refused', () => {
  const { warnings } = read(`${quiet}[proxy]\nlisten_prot = 1\n[extra]\nx = 1`);
  expect(warnings).toEqual(
    [
      'labman.toml:4: proxy.listen_prot: unknown key; did you mean listen_port?',
      'labman.toml:5: extra: unknown key',
    ].toReversed(),
  );
  expect(fault(() => read('[labman.proxy]\nlisten_prot = 1', 'labmesh.toml')).message).toBe(
    'labmesh.toml:2: labman.proxy.listen_prot: unknown key; did you mean listen_port?; mend or remove it',
  );
  const strict = () => readLabmanConfig(parseConfig('l.toml', 'x = 1'), { warn: () => {}, strict: true });
  expect(fault(strict).exitCode).toBe(3);
});

const faults: Array<[toml: string, key: string, fix: string, exitCode: number]> = [
  ['slug_scheme = "open"', 'slug_scheme', 'write slug_scheme = "sealed"', 3],
  ['proxy = 1', 'proxy', 'write [proxy]', 3],
  ['[control_plane]\nnode_token = "t"', 'control_plane.base_url', 'write base_url = "https://', 3],
  ['[control_plane]\nbase_url = "http://c.example"\nnode_token = "t"', 'control_plane.base_url', 'insecure = true', 3],
  ['[control_plane]\nbase_url = "https://c.example"', 'control_plane.node_token_file', 'name a file', 3],
  [
    '[control_plane]\nbase_url = "https://c"\nnode_token = "t"\nnode_token_file = "f"',
    'control_plane.node_token',
    'keep only',
    3,
  ],
  ['[wireguard]\naddress = "10.90.0.2/24"', 'wireguard.address', 'write address = "10.90.0.2/32"', 3],
  ['[wireguard]\nallowed_ips = [""]', 'wireguard.allowed_ips[0]', 'write allowed_ips = []', 3],
  ['[wireguard]\ninterface_name = "a name of many letters"', 'wireguard.interface_name', 'write interface_name =', 3],
  ['[wireguard]\nisolation = "all"', 'wireguard.isolation', 'write isolation = "auto"', 3],
  ['[proxy]\nlocal_addr = "here"', 'proxy.local_addr', 'write local_addr = "127.0.0.1:8080"', 3],
  ['[proxy]\nlocal_addr = "0.0.0.0:8080"', 'proxy.local_addr', 'write local_addr = "127.0.0.1:8080"', 8],
  ['[proxy]\nlocal_addr = ":8080"', 'proxy.local_addr', 'write local_addr = "127.0.0.1:8080"', 8],
  ['[proxy]\nlocal_addr = "192.168.0.1"', 'proxy.local_addr', 'write local_addr = "127.0.0.1:8080"', 8],
  ['[proxy]\nlisten_addr = "0.0.0.0"', 'proxy.listen_addr', 'write', 8],
  [
    'wireguard.address = "10.90.0.2/32"\nproxy.listen_addr = "192.168.0.1"',
    'proxy.listen_addr',
    'write listen_addr = "10.90.0.2"',
    8,
  ],
  ['[proxy]\npaths = ["admin"]', 'proxy.paths[0]', 'write paths =', 3],
  ['[proxy]\nmax_streams = 0', 'proxy.max_streams', 'write max_streams = 1024', 3],
  ['[portman]\nlisten_addr = "[::]:9100"', 'portman.listen_addr', 'write listen_addr = "127.0.0.1:9100"', 8],
  ['[portman]\nlisten_addr = "192.168.0.1"\nallow_lan = true', 'portman.listen_addr', 'write listen_addr =', 8],
  ['[portman]\nlisten_addr = "8.8.8.8"\nallow_lan = true\nrequire_key = true', 'portman.listen_addr', 'write', 8],
  ['[directives]\nallow = ["exec"]', 'directives.allow[0]', 'write allow = ["preload_model"]', 3],
  ['[telemetry]\nlog_level = "loud"', 'telemetry.log_level', 'write log_level = "info"', 3],
  ['[telemetry]\nmetrics_port = 70000', 'telemetry.metrics_port', 'write metrics_port = 9090', 3],
  [
    '[[endpoint]]\nname = "a"\nbase_url = "http://169.254.169.254/v1"',
    'endpoint.base_url',
    'write the address of an LLM server',
    3,
  ],
  [
    '[proxy]\nlocal_addr = "127.0.0.1:8080"\n[[endpoint]]\nname = "a"\nbase_url = "http://localhost:8080/v1"',
    'endpoint.base_url',
    'write the address',
    3,
  ],
  ['[[endpoint]]\nname = "a"\nbase_url = "http://127.0.0.1:9090/v1"', 'endpoint.base_url', 'write the address', 3],
];
test.each(faults)('%p is refused with key and fix', (toml, key, fix, exitCode) => {
  const error = fault(() => read(toml));
  expect(error.key).toBe(key);
  expect<number>(error.exitCode).toBe(exitCode);
  expect(error.source).toMatch(/^labman\.toml:\d+$/);
  expect(error.message).toContain(fix);
});

test('a token is in no error, no warning and no summary', () => {
  const secret = 'very-secret-token';
  const tomls = [
    `[control_plane]\nbase_url = "https://u:${secret}@c.example"\nnode_token = "t"`,
    `[control_plane]\nbase_url = "https://c.example"\nnode_token = ["${secret}"]`,
    `[control_plane]\nbase_url = "${secret}"\nnode_token = "${secret}"`,
    `[wireguard]\npeer_public_key = "${secret}"`,
  ];
  for (const toml of tomls) expect(fault(() => read(toml)).message).not.toContain(secret);
  const { config, warnings } = read(
    classicFile.replace('max_concurrent = 2', `api_key = "${secret}"\nheaders = { X = "${secret}" }`),
  );
  expect(config.endpoints[0]?.apiKey).toBe(secret);
  const told = [configSummary(config), ...warnings].join('\n');
  expect(told).not.toContain(secret);
  expect(told).toContain('api_key = set, headers = X');
});

test('--bind-addr moves the metrics page, never to everybody', () => {
  const { config } = read(quiet + endpoint);
  expect(withMetricsAddress(config, '127.0.0.1:1').telemetry.metrics).toEqual({ host: '127.0.0.1', port: 1 });
  expect(fault(() => withMetricsAddress(config, '0.0.0.0')).exitCode).toBe(8);
  expect(fault(() => withMetricsAddress(config, '192.168.0.1')).exitCode).toBe(8);
  expect(fault(() => withMetricsAddress(config, 'x')).exitCode).toBe(2);
  const lan = read(`${quiet}telemetry.allow_lan = true\n`).config;
  expect(withMetricsAddress(lan, '192.168.0.1').telemetry.metrics?.host).toBe('192.168.0.1');
  const off = read(`${quiet}telemetry.disable_metrics = true\n`).config;
  expect(withMetricsAddress(off, '127.0.0.1').telemetry.metrics).toBeUndefined();
});

test('log levels and classic filters', () => {
  expect(['info', 'INFO', 'warn,labmand=debug', 'labmand=error', 'trace', 'hyper=warn'].map(parseLogLevel)).toEqual([
    'info',
    'info',
    'debug',
    'error',
    'debug',
    'info',
  ]);
  expect(['', 'loud', 'info,labmand=loud', 'constructor'].map(parseLogLevel)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

const names = fc.constantFrom(
  'control_plane',
  'wireguard',
  'rosenpass',
  'proxy',
  'portman',
  'directives',
  'telemetry',
  'labman',
  'slug_scheme',
  'base_url',
  'address',
  'allowed_ips',
  'listen_addr',
  'local_addr',
  'paths',
  'allow',
  'log_level',
  '__proto__',
  'a[',
  '.',
  '[]',
  'x',
);
const leaf = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constantFrom('0.0.0.0', '127.0.0.1', 'http://h', '10.0.0.1/32'),
  fc.array(fc.string(), { maxLength: 2 }),
);
const table = fc.dictionary(
  names,
  fc.oneof(leaf, fc.dictionary(names, fc.oneof(leaf, fc.dictionary(names, leaf, { maxKeys: 3 })), { maxKeys: 4 })),
  { maxKeys: 5 },
);

test('fuzz: any file gives settings or an OptionsError', () => {
  fc.assert(
    fc.property(table, fc.constantFrom('labman.toml', 'labmesh.toml'), (data, path) => {
      const parsed = { path, data };
      for (const file of [() => parsed, () => parseConfig(path, stringify(data))]) {
        try {
          configSummary(readLabmanConfig(file(), { warn: () => {} }));
        } catch (error) {
          if (!(error instanceof OptionsError)) throw error;
        }
      }
    }),
    { numRuns: 300 },
  );
});
