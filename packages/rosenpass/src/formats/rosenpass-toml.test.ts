import { OptionsError } from '@labmesh/kit/options/options-error';
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseRosenpassToml, type RosenpassConfig, rosenpassToml } from './rosenpass-toml.ts';

const wireguardKey = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
const parse = (text: string) => parseRosenpassToml('rp.toml', text, '/home/op');

const release = `
public_key = "~/rp-pk"
secret_key = "/etc/rp-sk"
listen = ["0.0.0.0:9999", "[::]:9999"]
verbosity = "Verbose"

[[peers]]
public_key = "rp-peer-pk"
endpoint = "hub.example.org:9999"
pre_shared_key = "~/psk"
key_out = "~/out/key"
exchange_command = ["wg", "set", "wg0", "peer", "x", "preshared-key", "/dev/stdin"]

[[peers]]
public_key = "other"
device = "wg0"
peer = "${wireguardKey}"
extra_params = ["persistent-keepalive", "25"]
exchange_command = []
`;

test('a file of a release: paths expanded, a command shown and never run', () => {
  const { config, warnings } = parse(release);
  expect(config).toEqual({
    keyPair: { publicKey: '/home/op/rp-pk', secretKey: '/etc/rp-sk' },
    listen: ['0.0.0.0:9999', '[::]:9999'],
    verbosity: 'Verbose',
    peers: [
      {
        publicKey: 'rp-peer-pk',
        endpoint: 'hub.example.org:9999',
        presharedKey: '/home/op/psk',
        keyOut: '/home/op/out/key',
        wireguard: undefined,
        protocolVersion: 'V02',
        outputLabels: undefined,
      },
      {
        publicKey: 'other',
        endpoint: undefined,
        presharedKey: undefined,
        keyOut: undefined,
        wireguard: { device: 'wg0', peer: wireguardKey, extraParams: ['persistent-keepalive', '25'] },
        protocolVersion: 'V02',
        outputLabels: undefined,
      },
    ],
  });
  expect(warnings).toEqual([
    'rp.toml:12: peers[0].exchange_command: never run here: "wg set wg0 peer x preshared-key /dev/stdin"',
  ]);
});

test('a file of main: V03, labels of the output key, an interface that is not here', () => {
  const { config, warnings } = parse(`
listen = []
[api]
listen_path = ["/run/rp.sock"]
[[peers]]
public_key = "p"
key_out = "k"
protocol_version = "V03"
osk_organization = "myorg.com"
osk_label = ["My messenger", "backup"]
`);
  expect(config.keyPair).toBeUndefined();
  expect(config.peers[0]).toMatchObject({
    protocolVersion: 'V03',
    outputLabels: { organization: 'myorg.com', labels: ['My messenger', 'backup'] },
  });
  expect(warnings).toEqual(['rp.toml:3: api: ignored: there is no such interface here']);
});

test('a file of go-rosenpass: device and peer in a table', () => {
  const peer = (rest: string) => parse(`[[peers]]\npublic_key = 'p'\n${rest}`);
  const table = `wireguard = {interface = 'wg0', public_key = '${wireguardKey}'}`;
  const { config, warnings } = peer(table);
  expect(config.peers[0]?.wireguard).toEqual({ device: 'wg0', peer: wireguardKey, extraParams: [] });
  expect(warnings).toEqual([]);
  const both = peer(`${table}\ndevice = 'wg1'\npeer = '${wireguardKey}'`);
  expect(both.config.peers[0]?.wireguard?.device).toBe('wg1');
  expect(() => peer(`wireguard = {interface = 'wg0'}`)).toThrow('peers[0].wireguard.public_key');
});

test('unknown keys warn, with a guess, and without what a terminal would obey', () => {
  const { warnings } = parse(
    'verbosty = "Quiet"\n"\\u001b[2J" = 1\n[[peers]]\npublic_key="p"\nkey_out="k"\nendpint="x"',
  );
  expect(warnings).toEqual([
    'rp.toml:1: verbosty: unknown key, ignored; did you mean verbosity?',
    'rp.toml: "?[2J": unknown key, ignored',
    'rp.toml:6: peers[0].endpint: unknown key, ignored; did you mean endpoint?',
  ]);
  const many = Array.from({ length: 150 }, (_, i) => `x${i} = 1`).join('\n');
  expect(parse(many).warnings.length).toBe(101);
  expect(parse(many).warnings.at(-1)).toBe('rp.toml: and 50 more unknown keys');
});

test.each([
  ['listen = ["hub:9999"]', 'rp.toml: listen[0]: found "hub:9999": expected an IP address and a port'],
  ['verbosity = "Loud"', 'rp.toml:1: verbosity: found "Loud"'],
  ['public_key = "p"', 'rp.toml: needs both public_key and secret_key, or none'],
  ['[[peers]]\npublic_key = "p"', 'rp.toml:1: peers[0]: needs key_out, or device and peer'],
  ['[[peers]]\nkey_out = "k"', 'rp.toml: peers[0].public_key: found [redacted]'],
  ['[[peers]]\npublic_key="p"\ndevice="wg0"', 'needs both device and peer, or none'],
  ['[[peers]]\npublic_key="p"\nkey_out="k"\nosk_label=["a"]', 'needs both osk_organization and osk_label, or none'],
  [
    '[[peers]]\npublic_key="p"\nkey_out="k"\nendpoint="h:0"',
    'rp.toml:4: peers[0].endpoint: found "h:0": expected host',
  ],
  ['[[peers]]\npublic_key="p"\ndevice="wg0"\npeer="short"', 'rp.toml:4: peers[0].peer: found "short": is not a Wire'],
  ['[[peers]]\npublic_key="p"\nkey_out="k"\nprotocol_version="V04"', 'rp.toml:4: peers[0].protocol_version'],
  ['listen = [', 'rp.toml:1:10: not valid TOML'],
  [`#${'x'.repeat(1024 * 1024)}`, 'rp.toml: is larger than 1048576 bytes'],
])('refused with line and key: %p', (text, message) => {
  expect(() => parse(text)).toThrow(message);
});

const paths = fc.stringMatching(/^[a-z0-9/._ "\\~-]{1,20}$/).filter((path) => !/^~(\/|$)/.test(path));
const peers = fc.record({
  publicKey: paths,
  endpoint: fc.option(fc.constantFrom('[2001:db8::1]:1', 'a-b.example:65535', '192.0.2.1:9999'), { nil: undefined }),
  presharedKey: fc.option(paths, { nil: undefined }),
  keyOut: paths,
  wireguard: fc.option(
    fc.record({ device: paths, peer: fc.constant(wireguardKey), extraParams: fc.array(fc.string(), { maxLength: 4 }) }),
    { nil: undefined },
  ),
  protocolVersion: fc.constantFrom('V02' as const, 'V03' as const),
  outputLabels: fc.option(fc.record({ organization: fc.string(), labels: fc.array(fc.string(), { maxLength: 3 }) }), {
    nil: undefined,
  }),
});
const configs: fc.Arbitrary<RosenpassConfig> = fc.record({
  keyPair: fc.option(fc.record({ publicKey: paths, secretKey: paths }), { nil: undefined }),
  listen: fc.array(fc.constantFrom('0.0.0.0:9999', '[::1]:1'), { maxLength: 3 }),
  verbosity: fc.constantFrom('Quiet' as const, 'Verbose' as const),
  peers: fc.array(peers, { maxLength: 4 }),
});

test('what is written reads back the same, without a warning', () => {
  fc.assert(
    fc.property(configs, (config) => {
      expect(parse(rosenpassToml(config))).toEqual({ config, warnings: [] });
    }),
  );
});

test('V02 is not written: releases refuse the key', () => {
  const [release, main] = (['V02', 'V03'] as const).map((protocolVersion) =>
    rosenpassToml({
      listen: [],
      verbosity: 'Quiet',
      peers: [{ publicKey: 'p', keyOut: 'k', protocolVersion }],
    }),
  );
  expect(release).not.toContain('protocol_version');
  expect(main).toContain('protocol_version = "V03"');
});

test('any text gives a configuration or an OptionsError', () => {
  const line = fc.oneof(
    fc.string(),
    fc.constantFrom(...release.split('\n')),
    fc
      .tuple(fc.constantFrom('listen', 'peers', 'api', 'public_key', '[[peers]]', '__proto__'), fc.json())
      .map(([key, value]) => `${key} = ${value}`),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      try {
        expect(Array.isArray(parse(lines.join('\n')).config.peers)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(OptionsError);
      }
    }),
    { numRuns: 2000 },
  );
});
