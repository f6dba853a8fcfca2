/** The bytes of spec tunnel.md 5.10, one by one. */
import { expect, test } from 'bun:test';
import { addAddress, addHostRoute, toHere } from './addresses.ts';
import { familyId } from './generic-netlink.ts';
import { createLink, moveLink, setLinkAlias, setLinkUp } from './links.ts';
import type { NetlinkExchange } from './netlink-socket.ts';
import { recordingSocket } from './testing/recording-socket.ts';
import { setDevice } from './wireguard-requests.ts';

const publicKey = Uint8Array.from({ length: 32 }, (_, i) => i);
const presharedKey = new Uint8Array(32).fill(0x55);

const golden: Record<string, [seq: number, send: (socket: NetlinkExchange) => void, bytes: string]> = {
  'create wireguard labman0': [
    1,
    (socket) => createLink(socket, 'wireguard', 'labman0'),
    '40000000100005060100000000000000000000000000000000000000000000000c0003006c61626d616e3000' +
      '140012800e000100776972656775617264000000',
  ],
  'address 10.90.0.2 peer 10.90.0.1': [
    2,
    (socket) => addAddress(socket, 7, '10.90.0.2', '10.90.0.1'),
    '280000001400050502000000000000000220000007000000080002000a5a0002080001000a5a0001',
  ],
  'up, MTU 1420': [
    3,
    (socket) => setLinkUp(socket, 7, 1420),
    '2800000010000500030000000000000000000000070000000100000001000000080004008c050000',
  ],
  'move to a namespace': [
    4,
    (socket) => moveLink(socket, 7, 9),
    '280000001000050004000000000000000000000007000000000000000000000008001c0009000000',
  ],
  alias: [
    5,
    (socket) => setLinkAlias(socket, 7, 'labmesh:labman'),
    '3400000010000500050000000000000000000000070000000000000000000000130014006c61626d6573683a6c61626d616e0000',
  ],
  'route of a hub': [
    3,
    (socket) => addHostRoute(socket, 7, '10.90.0.1'),
    '2c00000018000506030000000000000002200000fe04fd0100000000080001000a5a00010800040007000000',
  ],
  'route of an address that a hub answers itself': [
    3,
    (socket) => addHostRoute(socket, 7, '10.90.0.1', toHere),
    '2c00000018000506030000000000000002200000ff04fe0200000000080001000a5a00010800040007000000',
  ],
  'family query': [
    4,
    (socket) => familyId(socket, 'wireguard'),
    '24000000100005000400000000000000030100000e000200776972656775617264000000',
  ],
  'PSK, update only': [
    5,
    (socket) => setDevice(socket, 0x1d, 'labman0', { peers: [{ publicKey, presharedKey, updateOnly: true }] }),
    '780000001d0005000500000000000000010100000c0002006c61626d616e3000580008805400008024000100' +
      `${publicKey.toHex()}24000200${presharedKey.toHex()}0800030004000000`,
  ],
};

test.each(Object.keys(golden))('%s', (name) => {
  const [seq, send, bytes] = golden[name]!;
  const socket = recordingSocket(seq);
  send(socket);
  expect(socket.sent.map((each) => each.toHex())).toEqual([bytes]);
});
