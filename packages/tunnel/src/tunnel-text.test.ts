import { describe, expect, test } from 'bun:test';
import type { TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { groupedFingerprint, isPostQuantum, peerLine, pqText, rotationLines, tunnelText } from './tunnel-text.ts';

const now = Date.parse('2026-01-01T00:01:00.000Z');
const peer: TunnelPeer = {
  id: 'hub',
  name: 'hub',
  wireguardPublicKey: `${'A'.repeat(43)}=`,
  rosenpassSha256: `sha256:${'0123456789abcdef'.repeat(4)}`,
  address: '10.90.0.1',
  endpoint: '203.0.113.4:51820',
  mode: 'strict',
  pq: 'active',
  pqReason: 'ok',
  pqSince: '2026-01-01T00:00:00.000Z',
  exchangeAgeS: 43.2,
  nextExchangeS: null,
  lastRole: 'initiator',
  version: 'V03',
  ciphertext: 'pc188',
  handshakeAgeS: 12,
  pskKind: 'rosenpass',
  generation: 3,
  rxBytes: 1_234_000_000,
  txBytes: 80_000_000,
  exchanges: 3,
  failures: {},
  lastError: null,
};
const view: TunnelView = {
  role: 'node',
  backend: 'native',
  backendRejected: [{ backend: 'kernel', reason: 'Unknown device type' }],
  aead: 'libcrypto',
  isolation: 'netns',
  isolationDetail: 'interface alone in a network namespace',
  interface: 'labman0',
  address: '10.90.0.2',
  mtu: 1_420,
  wireguardPublicKey: peer.wireguardPublicKey,
  rosenpassSha256: peer.rosenpassSha256 ?? '',
  listenPort: 0,
  queue: { depth: 0, dropped: 0 },
  drops: {},
  peers: [peer],
};

describe('the tunnel in words (V7)', () => {
  test('a peer that is proven', () => {
    const line = 'hub 203.0.113.4:51820 post-quantum (exchange 43 s ago, V03 pc188) handshake 12 s ↓1.2 GB ↑80 MB';
    expect(peerLine(peer, now)).toBe(line);
  });

  test('the word stands for nothing but active', () => {
    const words = (change: Partial<TunnelPeer>) => pqText({ ...peer, ...change }, now);
    expect(words({ pq: 'stale', pqReason: 'exchange_expired', pskKind: 'random' })).toBe(
      'NOT post-quantum: exchange_expired 60 s ago, traffic cut',
    );
    expect(words({ pq: 'stale', pqReason: 'no_session' })).toEndWith('no_session for 60 s, waiting for a handshake');
    expect(words({ pq: 'off', pqReason: 'permissive_fallback', pskKind: 'none' })).toEndWith(
      'traffic passes without it',
    );
    for (const pq of ['stale', 'off'] as const) expect(words({ pq })).toStartWith('NOT post-quantum');
  });

  test('device, who was passed over, keys in groups of eight', () => {
    const text = tunnelText(view, now);
    expect(text).toContain('labman0 10.90.0.2, native (libcrypto), MTU 1420\n');
    expect(text).toContain('not kernel: Unknown device type');
    expect(text).toContain('Rosenpass sha256:01234567 89abcdef');
    expect(text).not.toContain('WARNING');
    const port = (change: object) => tunnelText({ ...view, listenPort: 51_820, ...change }, now).split('\n')[0];
    expect(port({})).toEndWith('UDP 51820');
    expect(port({ role: 'hub' })).toEndWith('UDP 51820');
    // The list of addresses to listen on has no effect with these.
    for (const backend of ['kernel', 'wireguard-go'] as const)
      expect(port({ role: 'hub', backend })).toEndWith(`UDP 51820 on every address (${backend} knows no listen list)`);
  });

  test('a change of the hub’s key: how far, for whom, until when', () => {
    const rotation = {
      phase: 'announced' as const,
      oldSha256: `sha256:${'1'.repeat(64)}`,
      newSha256: `sha256:${'2'.repeat(64)}`,
      announcedAt: '2026-01-01T00:00:00.000Z',
      promotedAt: null,
      dueAt: '2026-01-02T00:00:00.000Z',
      waiting: ['rack-1', 'rack-2'],
      waitingCount: 102,
    };
    const text = tunnelText({ ...view, rotation }, now);
    expect(text).toContain('rotation   sha256:22222222 22222222');
    expect(text).toContain('waits for nodes that have not taken it: rack-1, rack-2 and 100 more\n');
    expect(text).toContain('goes on by 2026-01-02T00:00:00.000Z at the latest\n');
    expect(rotationLines({ ...rotation, phase: 'promoted' })[1]).toContain(
      'peers that still use the one before: rack-1',
    );
    const done = rotationLines({ ...rotation, phase: 'done', dueAt: null, waiting: [], waitingCount: 0 });
    expect(done).toEqual([expect.stringContaining('the one before is deleted')]);
    expect(tunnelText(view, now)).not.toContain('rotation');
  });

  test('an interface that is down: no word of post-quantum, whatever the keys are (N9)', () => {
    const down = { ...view, fault: 'isolation_lost: more than 3 repairs within a minute' };
    const text = tunnelText(down, now);
    expect(text).toContain('FAULT      isolation_lost: more than 3 repairs within a minute\n');
    expect(text).toContain('hub 203.0.113.4:51820 NOT post-quantum: the interface is down, nothing passes handshake');
    expect(tunnelText(view, now)).not.toContain('FAULT');
    expect([isPostQuantum(view), isPostQuantum(down)]).toEqual([true, false]);
    expect(isPostQuantum({ peers: [peer, { ...peer, pq: 'stale' }] })).toBe(false);
  });

  test('a permissive link that fell back is warned about, by name (Q6, Q7)', () => {
    const fallen = Array.from({ length: 7 }, (_, n) => ({
      ...peer,
      name: `site-${n}`,
      mode: 'permissive' as const,
      pq: 'off' as const,
      pqReason: 'permissive_fallback' as const,
      pskKind: 'none' as const,
    }));
    const text = tunnelText({ ...view, peers: [peer, ...fallen] }, now);
    expect(text).toContain('WARNING    permissive, and no exchange: traffic of site-0, site-1, site-2, site-3, site-4');
    expect(text).toContain('site-4 and 2 more is plain WireGuard now, not post-quantum;\n');
    expect(tunnelText({ ...view, peers: [{ ...peer, mode: 'permissive' }] }, now)).not.toContain('WARNING');
  });

  test('no isolation is told each time, at either end with what is reached (I5)', () => {
    const open = { ...view, isolation: 'none' as const, peers: [] };
    expect(tunnelText(open, now)).toMatch(/WARNING .*the hub reaches every service[\s\S]*peers +none/);
    const exposed = [{ protocol: 'tcp' as const, address: '0.0.0.0', port: 22 }];
    const hub = tunnelText({ ...open, role: 'hub', exposed }, now);
    expect(hub).toMatch(/WARNING .*peers reach every service of this machine\n {11}by now tcp 0\.0\.0\.0 22\n/);
    expect(tunnelText({ ...open, exposed: [] }, now)).toContain('by now nothing yet\n');
  });

  test('a node of another hub is named with its way, its fault first; nothing post-quantum is claimed of it (H6)', () => {
    const node = { address: '10.90.0.3', port: 8_080, replicaId: 'replica-2', connections: 1, error: null };
    const relayed = Array.from({ length: 22 }, (_, n) => ({ ...node, name: `site-${n}` }));
    const away = { ...node, name: 'site-b', connections: 0, error: 'replica-2 is away' };
    const lines = tunnelText({ ...view, relayed: [...relayed, away] }, now).split('\n');
    const from = lines.findIndex((line) => line.startsWith('elsewhere'));
    expect(lines[from]).toBe(
      'elsewhere  site-b 10.90.0.3:8080 through replica replica-2, 0 connections: replica-2 is away',
    );
    expect(lines[from + 1]).toBe('elsewhere  site-0 10.90.0.3:8080 through replica replica-2, 1 connection');
    expect(lines.slice(from + 20, from + 22)).toEqual([
      '           and 3 more',
      '           between replicas by TLS with a post-quantum key exchange (X25519MLKEM768)',
    ]);
    expect(tunnelText(view, now)).not.toContain('elsewhere');
  });

  test('a fingerprint is shown with or without its head', () => {
    expect(groupedFingerprint('ab'.repeat(8))).toBe('sha256:abababab abababab');
  });
});
