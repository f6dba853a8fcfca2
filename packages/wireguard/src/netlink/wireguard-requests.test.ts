import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { MessageWriter } from './message-writer.ts';
import { readAttributes, readMessages } from './read-messages.ts';
import { recordingSocket } from './testing/recording-socket.ts';
import { deviceOf, getDevice, setDevice } from './wireguard-requests.ts';

const family = 0x1d;
const key = (byte: number) => new Uint8Array(32).fill(byte);

/** What the kernel would list: the attributes of one message. */
function payloadOf(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  writer.u8(0, 1, 0, 0);
  write(writer);
  return writer.finish();
}

function allowedIp(writer: MessageWriter, family: number, bytes: readonly number[], mask: number): void {
  writer.nest(0, () => {
    writer.attributeU16(1, family).attribute(2, Uint8Array.from(bytes)).attributeU8(3, mask);
  });
}

test('a peer with all that can be set, and its removal before it', () => {
  const socket = recordingSocket();
  const endpoint = { address: '192.0.2.1', port: 51820 };
  setDevice(socket, family, 'labman0', {
    privateKey: key(0x11),
    listenPort: 51820,
    replacePeers: true,
    peers: [
      { publicKey: key(0x22), remove: true },
      { publicKey: key(0x22), presharedKey: key(0x55), endpoint, keepaliveS: 25, onlyAddress: '10.90.0.2' },
    ],
  });
  const [message] = readMessages(socket.sent[0]!);
  const attributes = readAttributes(message!.payload, 4);
  expect(attributes.map(({ type }) => type)).toEqual([2, 3, 5, 6, 8]);
  const [removed, added] = readAttributes(attributes[4]!.data).map(({ data }) => readAttributes(data));
  expect(removed!.map(({ type, data }) => [type, data.toHex()])).toEqual([
    [1, '22'.repeat(32)],
    [3, '01000000'],
  ]);
  expect(added!.map(({ type, data }) => [type, data.toHex()])).toEqual([
    [1, '22'.repeat(32)],
    [2, '55'.repeat(32)],
    [3, '02000000'],
    [4, '0200ca6cc00002010000000000000000'],
    [5, '1900'],
    [9, '1c0000800600010002000000080002000a5a00020500030020000000'],
  ]);
});

test('long lists go in several messages; only the first replaces', () => {
  const socket = recordingSocket();
  const peers = Array.from({ length: 450 }, (_, i) => ({ publicKey: key(i & 255), onlyAddress: 'fd00::2' }));
  setDevice(socket, family, 'labhub0', { replacePeers: true, peers });
  const types = socket.sent.map((each) => readAttributes(readMessages(each)[0]!.payload, 4).map(({ type }) => type));
  expect(types).toEqual([
    [2, 5, 8],
    [2, 8],
    [2, 8],
  ]);
});

test('a dump over two messages is one device; a peer’s addresses go on', () => {
  const first = payloadOf((writer) => {
    writer.attribute(3, key(0x11)).attributeU16(6, 51820);
    writer.nest(8, () => {
      writer.nest(0, () => {
        writer.attribute(1, key(0x22)).attribute(2, key(0x55)).attributeU16(5, 25);
        writer.attribute(4, Uint8Array.fromHex('0a00ca6c00000000fd00000000000000000000000000000100000000'));
        writer.attribute(6, Uint8Array.fromHex('00f153650000000080b2e60e00000000'));
        writer.attribute(7, Uint8Array.fromHex('0700000000000000'));
        writer.attribute(8, Uint8Array.fromHex('0010a5d4e8000000'));
        writer.nest(9, () => allowedIp(writer, 2, [10, 90, 0, 2], 32));
      });
    });
  });
  const second = payloadOf((writer) => {
    writer.nest(8, () => {
      writer.nest(0, () => {
        writer.attribute(1, key(0x22));
        writer.nest(9, () => allowedIp(writer, 2, [10, 90, 0, 3], 24));
      });
      writer.nest(0, () => writer.attribute(1, key(0x33)));
      writer.nest(0, () => writer.attribute(1, new Uint8Array(5)));
    });
  });
  const socket = recordingSocket();
  const header = { flags: 2, seq: 1 };
  socket.answers = [first, second].map((payload) => ({ ...header, type: family, payload }));
  const reading = getDevice(socket, family, 'labman0');
  expect(readMessages(socket.sent[0]!)[0]).toMatchObject({ type: family, flags: 0x301 });
  expect(reading).toMatchObject({ privateKey: key(0x11), listenPort: 51820 });
  expect(reading.peers).toMatchObject([
    {
      publicKey: key(0x22),
      presharedKey: key(0x55),
      endpoint: { address: 'fd00::1', port: 51820 },
      keepaliveS: 25,
      lastHandshakeMs: 1_700_000_000_250,
      rxBytes: 7,
      txBytes: 1e12,
      allowedIps: ['10.90.0.2/32', '10.90.0.3/24'],
    },
    { publicKey: key(0x33), presharedKey: key(0), endpoint: undefined, lastHandshakeMs: undefined, allowedIps: [] },
  ]);
  // Keys stay in the reading alone.
  expect([first, second].every((payload) => payload.every((byte) => byte === 0))).toBe(true);
});

test('any bytes are a device, without a throw', () => {
  const property = fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), (payloads) => {
    expect(deviceOf(payloads).peers.length).toBeLessThan(20);
  });
  fc.assert(property, { numRuns: 1_000 });
});
