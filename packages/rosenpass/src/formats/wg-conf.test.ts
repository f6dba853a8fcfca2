import { expect, test } from 'bun:test';
import { type WgConf, wgConf } from './wg-conf.ts';

const conf: WgConf = {
  privateKey: 'private',
  address: '10.90.0.2/32',
  listenPort: 10_000,
  mtu: 1420,
  peers: [{ publicKey: 'public', allowedIps: ['10.90.0.1/32'], endpoint: 'hub:51820', persistentKeepalive: 25 }],
};

test('a wg-quick file: no routes, no preshared key', () => {
  expect(wgConf(conf)).toBe(`[Interface]
PrivateKey = private
Address = 10.90.0.2/32
ListenPort = 10000
MTU = 1420
Table = off

[Peer]
# the preshared key is set by Rosenpass
PublicKey = public
AllowedIPs = 10.90.0.1/32
Endpoint = hub:51820
PersistentKeepalive = 25
`);
});

test('what is absent is left out; the private key says so', () => {
  const text = wgConf({ address: '10.90.0.1/32', peers: [{ publicKey: 'p', allowedIps: [] }] });
  expect(text).toContain('# PrivateKey = (not exported)\n');
  expect(text).not.toMatch(/ListenPort|MTU|Endpoint|PersistentKeepalive|PresharedKey/);
});

test('no value begins a line of its own', () => {
  const evil = { publicKey: 'p', allowedIps: [], endpoint: 'h:1\nPostUp = reboot' };
  expect(() => wgConf({ ...conf, peers: [evil] })).toThrow('Endpoint holds a character that no line may');
  expect(() => wgConf({ ...conf, address: '10.0.0.1/32\r' })).toThrow(RangeError);
});
