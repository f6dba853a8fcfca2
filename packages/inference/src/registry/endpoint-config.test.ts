import { expect, test } from 'bun:test';
import { parseConfig } from '@labmesh/kit/config-file';
import { OptionsError } from '@labmesh/kit/options';
import fc from 'fast-check';
import { stringify } from 'smol-toml';
import { type EndpointRules, readEndpoints } from './endpoint-config.ts';
import type { EndpointSpec } from './endpoint.ts';

const labman: EndpointRules = { requireV1: true };
const read = (toml: string, rules: EndpointRules = labman): EndpointSpec[] =>
  readEndpoints(parseConfig('labman.toml', toml), rules);
const entry = (...lines: string[]) =>
  ['[[endpoints]]', 'name = "a"', 'base_url = "http://10.0.0.5:11434/v1"', ...lines].join('\n');

function fault(toml: string, rules: EndpointRules = labman): OptionsError {
  try {
    read(toml, rules);
  } catch (error) {
    if (error instanceof OptionsError) return error;
    throw error;
  }
  throw new Error('no error');
}

test('an entry with only a name and an address takes the defaults', () => {
  expect(read(entry())).toEqual([
    {
      name: 'a',
      baseUrl: 'http://10.0.0.5:11434/v1',
      kind: 'auto',
      headers: {},
      maxConcurrent: 0,
      modelsInclude: [],
      modelsExclude: [],
      tenant: '',
      weight: 1,
      probeIntervalMs: 10_000,
      origin: 'config',
      timeouts: {
        connectMs: 3_000,
        queueMs: 60_000,
        loadMs: 300_000,
        ttftMs: 120_000,
        interTokenMs: 60_000,
        totalMs: 1_800_000,
      },
    },
  ]);
});

test('every spelling of the filters gives the same filters', () => {
  const spellings = [
    'models_include = ["x*"]',
    'models.include = ["x*"]',
    '"models.include" = ["x*"]',
    'models = { include = ["x*"] }',
    '[endpoints.models]\ninclude = ["x*"]',
  ];
  for (const spelling of spellings) expect(read(entry(spelling))[0]?.modelsInclude).toEqual(['x*']);
  expect(read(entry('models_exclude = ["y"]', 'models.exclude = ["y"]'))[0]?.modelsExclude).toEqual(['y']);
});

test('two spellings that differ are refused', () => {
  const error = fault(entry('models_include = ["x*"]', 'models.include = ["y*"]'));
  expect(error.message).toBe(
    'labman.toml:5: endpoints.models.include: differs from models_include in the same entry; keep only models_include',
  );
});

test('both list names are read and merged', () => {
  const toml = `${entry()}\n[[endpoint]]\nname = "b"\nbase_url = "http://h/v1"\n`;
  expect(read(toml).map((spec) => spec.name)).toEqual(['a', 'b']);
});

test('a name used twice, over both lists, names both places', () => {
  const error = fault(`${entry()}\n[[endpoint]]\nname = "a"\nbase_url = "http://h/v1"\n`);
  expect(error.message).toBe(
    'labman.toml:5: endpoint.name: "a" is the name of endpoints[0] (line 1) and of endpoint[0]; give one of them another name',
  );
});

test('an address without /v1: the error shows the corrected one, and the gateway takes it', () => {
  const toml = '[[endpoints]]\nname = "a"\nbase_url = "http://10.0.0.5:11434"';
  expect(fault(toml).message).toBe(
    'labman.toml:3: endpoints.base_url: "http://10.0.0.5:11434" must end in /v1; write "http://10.0.0.5:11434/v1"',
  );
  expect(read(toml, { requireV1: false })[0]?.baseUrl).toBe('http://10.0.0.5:11434');
  expect(fault('[[endpoints]]\nname = "a"\nbase_url = "http://h:1"').message).toContain('"http://h:1/v1"');
});

test('labman waits and gateway waits are both read', () => {
  const flat = read(
    entry('connect_timeout_s = 5', 'ttft_timeout_s = 600', 'idle_timeout_s = 120.5', 'total_timeout_s = 0'),
  )[0];
  expect(flat?.timeouts).toMatchObject({ connectMs: 5_000, ttftMs: 600_000, interTokenMs: 120_500, totalMs: 0 });
  const nested = read(
    entry('timeouts = { connect_ms = 9, ttft_s = 1, inter_token_s = 2, total_s = 3, queue_s = 4, load_s = 5 }'),
  )[0];
  expect(nested?.timeouts).toEqual({
    connectMs: 9,
    ttftMs: 1_000,
    interTokenMs: 2_000,
    totalMs: 3_000,
    queueMs: 4_000,
    loadMs: 5_000,
  });
  expect(fault(entry('ttft_timeout_s = 1', 'timeouts.ttft_s = 2')).message).toContain('differs from ttft_timeout_s');
});

test('a disabled entry is left out, but its faults and its name count', () => {
  expect(read(entry('enabled = false', 'api_key_file = "/not/there"'))).toEqual([]);
  expect(fault(entry('enabled = false', 'weight = 0')).key).toBe('endpoints.weight');
  expect(() => read(`${entry('enabled = false')}\n${entry()}`)).toThrow(/is the name of/);
});

test('a key comes from a file beside the config', () => {
  const paths: string[] = [];
  const readText = (path: string) => {
    paths.push(path);
    return 'sk-from-file\n';
  };
  const file = parseConfig('/etc/labman/labman.toml', entry('api_key_file = "ollama.key"'));
  expect(readEndpoints(file, { requireV1: true, readText })[0]?.apiKey).toBe('sk-from-file');
  expect(paths).toEqual(['/etc/labman/ollama.key']);
});

const faults: Array<[what: string, toml: string, key: string, fix: string]> = [
  ['no name', '[[endpoints]]\nbase_url = "http://h/v1"', 'endpoints[0].name', 'write name ='],
  ['no address', '[[endpoints]]\nname = "a"', 'endpoints[0].base_url', 'write base_url ='],
  [
    'a name of spaces and controls',
    '[[endpoints]]\nname = "a\\u0007"\nbase_url = "http://h/v1"',
    'endpoints.name',
    'write name =',
  ],
  ['a text for a number', entry('max_concurrent = "4"'), 'endpoints.max_concurrent', 'write max_concurrent = 4'],
  ['too many at once', entry('max_concurrent = 1025'), 'endpoints.max_concurrent', 'write max_concurrent = 4'],
  ['an unknown kind', entry('kind = "olama"'), 'endpoints.kind', 'write kind = "auto"'],
  ['a long tenant', entry(`tenant = "${'t'.repeat(65)}"`), 'endpoints.tenant', 'write tenant ='],
  [
    'a pattern too long',
    entry(`models_include = ["${'x'.repeat(257)}"]`),
    'endpoints[0].models_include[0]',
    'write models_include =',
  ],
  [
    'too many patterns',
    entry(`models_exclude = [${'"x",'.repeat(65)}]`),
    'endpoints.models_exclude',
    'write models_exclude =',
  ],
  ['an own Host header', entry('headers = { Host = "x" }'), 'endpoints[0].headers.Host', 'write headers ='],
  ['a header that breaks its line', entry('headers = { X = "a\\r\\nb" }'), 'endpoints[0].headers.X', 'write headers ='],
  [
    'an unknown key',
    entry('max_concurent = 1'),
    'endpoints.max_concurent',
    'did you mean max_concurrent?; mend or remove it',
  ],
  [
    'a key of later',
    entry('visible_to = ["acme"]'),
    'endpoints.visible_to',
    'has no effect in this version; remove it',
  ],
  ['an ftp address', '[[endpoints]]\nname = "a"\nbase_url = "ftp://h/v1"', 'endpoints.base_url', 'write base_url ='],
  ['single brackets', '[endpoints]\nname = "a"', 'endpoints', 'write [[endpoints]]'],
  ['no table', 'endpoints = ["x"]', 'endpoints[0]', 'write [endpoints]'],
  ['a key twice', entry('api_key = "k"', 'api_key_file = "f"'), 'endpoints.api_key', 'keep only api_key_file'],
  ['a key file that is not there', entry('api_key_file = "/not/there"'), 'endpoints.api_key_file', 'name a file'],
];
test.each(faults)('%s is refused with key and fix', (_, toml, key, fix) => {
  const error = fault(toml);
  expect(error.exitCode).toBe(3);
  expect(error.source).toStartWith('labman.toml:');
  expect(error.key).toBe(key);
  expect(error.message).toContain(fix);
});

test('no secret is shown, wherever it was written', () => {
  const secret = 'sk-very-secret-1';
  const tomls = [
    entry(`api_key = ["${secret}"]`),
    entry(`api_key_file = "${secret}"`),
    entry(`headers = { Host = "${secret}" }`),
    entry(`headers = "${secret}"`),
    `[[endpoints]]\nname = "a"\nbase_url = "http://u:${secret}@h/v1"`,
    `[[endpoints]]\nname = "a"\nbase_url = "u:${secret}@h"`,
  ];
  for (const toml of tomls) expect(fault(toml).message).not.toContain(secret);
});

test('a classic file is warned about what it may have and a canonical one may not', () => {
  const lines: string[] = [];
  read(entry('max_concurent = 1', 'queue_max = 4'), { requireV1: true, warn: (line) => void lines.push(line) });
  expect(lines).toEqual([
    'labman.toml:4: endpoints.max_concurent: unknown key; did you mean max_concurrent?',
    'labman.toml:5: endpoints.queue_max: has no effect in this version',
  ]);
});

test('an address may be refused by the caller', () => {
  const refuse = () => 'is this node itself';
  expect(fault(entry(), { requireV1: true, refuse }).message).toContain(
    '"http://10.0.0.5:11434/v1" is this node itself; write',
  );
});

test('more than 256 entries are refused by the name of the limit', () => {
  const toml = Array.from({ length: 257 }, (_, i) => `[[endpoints]]\nname = "e${i}"\nbase_url = "http://h/v1"`).join(
    '\n',
  );
  expect(fault(toml).message).toContain('ENDPOINTS_MAX is 256');
});

const keys = [
  'name',
  'base_url',
  'kind',
  'api_key',
  'headers',
  'models',
  'models.include',
  'models_include',
  'timeouts',
  'weight',
  'enabled',
  'a[',
  '.',
  'x',
];
const scalar = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constantFrom('http://h/v1', 'auto', '__proto__'),
);
const value = fc.oneof(
  scalar,
  fc.array(fc.string(), { maxLength: 4 }),
  fc.dictionary(fc.constantFrom('include', 'ttft_s', 'constructor', 'y'), scalar, { maxKeys: 3 }),
);
const list = fc.oneof(
  scalar,
  fc.array(fc.oneof(scalar, fc.dictionary(fc.constantFrom(...keys), value)), { maxLength: 3 }),
);

test('fuzz: any file gives specs or an OptionsError', () => {
  fc.assert(
    fc.property(fc.record({ endpoints: list, endpoint: list }, { requiredKeys: [] }), fc.boolean(), (data, classic) => {
      const rules: EndpointRules = { requireV1: true, readText: () => 'k', ...(classic ? { warn: () => {} } : {}) };
      try {
        for (const spec of readEndpoints({ path: 'f.toml', data }, rules)) expect(spec.name.length).toBeGreaterThan(0);
      } catch (error) {
        if (!(error instanceof OptionsError)) throw error;
      }
      try {
        read(stringify(data), rules);
      } catch (error) {
        if (!(error instanceof OptionsError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
});
