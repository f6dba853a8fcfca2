import { describe, expect, test } from 'bun:test';
import type { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { HubState, NodeState } from '../conplane/node-file.ts';
import { hubPeer, hubPlace } from './hub-peer.ts';

const undefinedPaths = { privateKeyPath: undefined, publicKeyPath: undefined };
const config: TunnelConfig = {
  backend: 'auto',
  aead: 'auto',
  interfaceName: 'labman0',
  address: undefined,
  range: '10.90.0.0/16',
  keys: undefinedPaths,
  peer: { publicKey: undefined, endpoint: undefined, address: undefined },
  isolation: 'auto',
  mtu: 1_420,
  keepaliveS: 25,
  requirePq: undefined,
  fallbackAfterMs: 60_000,
  rosenpass: {
    ...undefinedPaths,
    peerPublicKeyPath: undefined,
    peerSha256: undefined,
    endpoint: undefined,
    version: 'auto',
    ciphertext: 'auto',
    presharedKeyPath: undefined,
    keyOut: undefined,
  },
};
const hub: HubState = {
  address: '10.90.0.1',
  wireguardPublicKey: `${'A'.repeat(43)}=`,
  wireguardEndpoint: 'hub.example:51820',
  rosenpassSha256: `sha256:${'a'.repeat(64)}`,
  rosenpassEndpoint: null,
  rosenpassVersion: 'V03',
  rosenpassCiphertext: 'pc188',
};
const state = (change: Partial<HubState> = {}, address: string | null = '10.90.0.2'): NodeState => ({
  nodeId: 'n',
  address,
  hub: { ...hub, ...change },
});

describe('where the hub is', () => {
  test('Rosenpass is dialled beside WireGuard, on 9999, when nobody says otherwise', () => {
    expect(hubPlace(state(), config)).toEqual({
      address: '10.90.0.2',
      hubAddress: '10.90.0.1',
      wireguard: { host: 'hub.example', port: 51_820 },
      rosenpass: { host: 'hub.example', port: 9_999 },
    });
    expect(hubPlace(state({ rosenpassEndpoint: '[2001:db8::1]:7' }), config)?.rosenpass).toEqual({
      host: '2001:db8::1',
      port: 7,
    });
    expect(hubPlace(state({ rosenpassSha256: null }), config)?.rosenpass).toBeUndefined();
  });

  test('without an address or a hub there is no tunnel', () => {
    expect(hubPlace(state({}, null), config)).toBeUndefined();
    expect(hubPlace({ nodeId: 'n', address: '10.90.0.2', hub: null }, config)).toBeUndefined();
  });

  test.each([
    ['an address of the LAN', state({}, '192.168.1.5')],
    ['an address with a prefix', state({}, '10.90.0.2/16')],
    ['a hub address of the LAN', state({ address: '192.168.1.1' })],
    ['the resolver as hub address', state({ address: '127.0.0.53' })],
    ['IPv6 where the range is IPv4', state({}, 'fd00::2')],
    ['the hub’s own address for us', state({}, '10.90.0.1')],
    ['an endpoint that is our own address', state({ wireguardEndpoint: '10.90.0.2:51820' })],
    ['an exchange inside the tunnel', state({ rosenpassEndpoint: '10.90.0.1:9999' })],
    ['an endpoint that is none', state({ wireguardEndpoint: 'nowhere' })],
  ])('%s is refused (I10)', (_, hostile) => {
    let code: string | undefined;
    try {
      hubPlace(hostile, config);
    } catch (error) {
      ({ code } = error as TunnelError);
    }
    expect(code).toBe('TUNNEL_ADDRESS_REFUSED');
  });
});

describe('the hub as a peer', () => {
  const reached = {
    wireguard: { address: '203.0.113.4', port: 51_820 },
    rosenpass: { address: '203.0.113.4', port: 9_999 },
  };

  test('strict when it has a Rosenpass key, unless the file says otherwise', () => {
    expect(hubPeer(hub, config, reached)).toMatchObject({
      mode: 'strict',
      rosenpass: { schedule: 'node', version: 'V03' },
    });
    expect(hubPeer(hub, { ...config, requirePq: false }, reached).mode).toBe('permissive');
    const classical = hubPeer({ ...hub, rosenpassSha256: null }, config, reached);
    expect([classical.mode, classical.rosenpass]).toEqual(['permissive', undefined]);
  });

  test('a dialect in the file wins over the hub’s', () => {
    const pinned = { ...config, rosenpass: { ...config.rosenpass, version: 'V02', ciphertext: 'r4-156' } as const };
    expect(hubPeer(hub, pinned, reached).rosenpass).toMatchObject({ version: 'V02', ciphertext: 'r4-156' });
  });
});
