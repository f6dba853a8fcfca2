import { OptionsError } from '@labmesh/kit/options/options-error';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseRpToml, rpToml, type RpConfig, tunnelAddressOf, wireguardAddress } from './rp-toml.ts';

const parse = (text: string) => parseRpToml('rp.toml', text);

test('a file as rp has it', () => {
  const { config, warnings } = parse(`
verbose = true
private_keys_dir = "/run/keys"
dev = "rp0"
ip = "fe90::1/64"
listen = "[::]:51820"
listn = 1

[[peers]]
public_keys_dir = "/etc/peer"
endpoint = "192.0.2.1:51820"
persistent_keepalive = 25
allowed_ips = "10.90.0.2/32, 0.0.0.0/0"
`);
  expect(config).toEqual({
    verbose: true,
    privateKeysDir: '/run/keys',
    device: 'rp0',
    ip: 'fe90::1/64',
    listen: '[::]:51820',
    peers: [
      {
        publicKeysDir: '/etc/peer',
        endpoint: '192.0.2.1:51820',
        persistentKeepalive: 25,
        allowedIps: ['10.90.0.2/32', '0.0.0.0/0'],
        protocolVersion: 'V02',
      },
    ],
  });
  expect(warnings).toEqual(['rp.toml:7: listn: unknown key, ignored; did you mean listen?']);
  expect(parse('private_keys_dir = "k"').config).toMatchObject({ device: 'rosenpass0', verbose: false, peers: [] });
});

test.each([
  ['', 'rp.toml: private_keys_dir'],
  ['private_keys_dir="k"\nlisten="0.0.0.0:65535"', 'rp.toml:2: listen: found "0.0.0.0:65535": expected a port below'],
  ['private_keys_dir="k"\ndev="a/b"', 'rp.toml:2: dev: found "a/b": expected an interface name'],
  ['private_keys_dir="k"\n[[peers]]\npublic_keys_dir="p"\nallowed_ips="10.0.0.0/33"', 'peers[0].allowed_ips'],
  ['private_keys_dir="k"\n[[peers]]\npublic_keys_dir="p"\npersistent_keepalive=70000', 'peers[0].persistent_keepalive'],
])('refused with line and key: %p', (text, message) => {
  expect(() => parse(text)).toThrow(message);
});

test('WireGuard has the next port', () => {
  expect(wireguardAddress('hub.example:9999')).toBe('hub.example:10000');
  expect(wireguardAddress('[::1]:1')).toBe('[::1]:2');
  expect(wireguardAddress('hub.example:65535')).toBeUndefined();
  expect(wireguardAddress('hub.example')).toBeUndefined();
});

test('of the allowed IPs only one /32 of the range has effect', () => {
  const range = '10.90.0.0/16';
  const wide = ['0.0.0.0/0', '10.90.0.0/16', '10.91.0.1/32', '::/0', '10.90.0.7/32', '10.90.0.8/32'];
  expect(tunnelAddressOf(wide, range)).toEqual({
    address: '10.90.0.7',
    ignored: wide.filter((text) => text !== '10.90.0.7/32'),
  });
  expect(tunnelAddressOf(['10.90.0.9'], range)).toEqual({ address: '10.90.0.9', ignored: [] });
  expect(tunnelAddressOf(['10.90.0.9/31', 'nonsense'], range).address).toBeUndefined();
});

const configs: fc.Arbitrary<RpConfig> = fc.record({
  verbose: fc.boolean(),
  privateKeysDir: fc.string({ minLength: 1 }),
  device: fc.stringMatching(/^[a-z][a-z0-9]{0,14}$/),
  ip: fc.option(fc.constantFrom('10.90.0.1/16', 'fe90::1/64'), { nil: undefined }),
  listen: fc.option(fc.constantFrom('0.0.0.0:9999', '[::]:1'), { nil: undefined }),
  peers: fc.array(
    fc.record({
      publicKeysDir: fc.string({ minLength: 1 }),
      endpoint: fc.option(fc.constantFrom('hub.example:9999', '[2001:db8::1]:1'), { nil: undefined }),
      persistentKeepalive: fc.option(fc.nat({ max: 65_535 }), { nil: undefined }),
      allowedIps: fc.array(fc.constantFrom('10.90.0.2/32', '::/0', '0.0.0.0/0'), { maxLength: 3 }),
      protocolVersion: fc.constantFrom('V02' as const, 'V03' as const),
    }),
    { maxLength: 3 },
  ),
});

test('what is written reads back the same, without a warning', () => {
  fc.assert(
    fc.property(configs, (config) => {
      expect(parse(rpToml(config))).toEqual({ config, warnings: [] });
    }),
  );
});

test('any text gives a configuration or an OptionsError', () => {
  const keys = ['verbose', 'private_keys_dir', 'dev', 'ip', 'listen', 'peers', 'allowed_ips', 'constructor'];
  const line = fc.oneof(
    fc.string(),
    fc.constant('[[peers]]'),
    fc.tuple(fc.constantFrom(...keys), fc.json()).map(([key, value]) => `${key} = ${value}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), (lines) => {
      try {
        expect(parse(lines.join('\n')).config.device.length).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(OptionsError);
      }
    }),
    { numRuns: 2000 },
  );
});
