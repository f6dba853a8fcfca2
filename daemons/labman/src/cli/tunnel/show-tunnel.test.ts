import { expect, test } from 'bun:test';
import type { SeenDevice } from '../../admin/seen-device.ts';
import { seenDeviceText } from './show-tunnel.ts';

const link = {
  index: 2,
  name: 'labman0',
  kind: 'tun',
  alias: 'labmesh:labman',
  mtu: 1_420,
  up: true,
  addresses: [{ address: '10.90.0.2', prefix: 32, peer: '10.90.0.1' }],
  routes: ['10.90.0.1/32'],
  isForwarding: false,
};
const lo = { ...link, index: 1, name: 'lo', kind: '', alias: '', up: false, addresses: [], routes: [] };
const peer = {
  publicKey: 'KEY=',
  address: '10.90.0.1',
  endpoint: { address: '2001:db8::1', port: 51_820 },
  keepaliveS: 25,
  lastHandshake: '2026-11-21T19:00:00.000Z',
};
const seen: SeenDevice = { name: 'labman0', isolation: 'netns', inside: [lo, link], host: [], peers: [peer] };

test('a device in a namespace of its own, with all that is there', () => {
  expect(seenDeviceText(seen).split('\n')).toEqual([
    'labman0 is in a network namespace of its own',
    'lo (1) no kind, down, MTU 1420',
    'labman0 (2) tun, mark labmesh:labman, up, MTU 1420',
    '  address  10.90.0.2/32 peer 10.90.0.1',
    '  route    10.90.0.1/32',
    'peer KEY= 10.90.0.1 at [2001:db8::1]:51820, keepalive 25 s, handshake 2026-11-21T19:00:00.000Z',
    'the host has no labman0',
    '',
  ]);
});

test('one on the host; what should not be is loud', () => {
  const open = { ...link, isForwarding: true, addresses: [{ address: '10.0.0.9', prefix: 24, peer: '10.0.0.9' }] };
  const text = seenDeviceText({ ...seen, isolation: 'filter', inside: null, host: [open], peers: [] });
  expect(text).toContain('labman0 is on the host (isolation filter)');
  expect(text).toContain('FORWARDING');
  expect(text).toContain('  address  10.0.0.9/24\n');
});

test('one that is gone, a double on the host, a peer that was never heard', () => {
  const silent = { ...peer, address: null, endpoint: null, lastHandshake: null };
  const gone = seenDeviceText({ ...seen, isolation: 'none', inside: null, host: [], peers: [silent] });
  expect(gone).toContain('no interface of that name is there');
  expect(gone).toContain('KEY= without address at nowhere yet, keepalive 25 s, no handshake');
  expect(seenDeviceText({ ...seen, host: [link] })).toContain('on the host:\nlabman0 (2)');
});
