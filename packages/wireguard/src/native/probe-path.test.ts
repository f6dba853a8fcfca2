import { expect, test } from 'bun:test';
import { probePath } from './probe-path.ts';

const largestOnLoopback = 65_507;

test.each(['127.0.0.1', '::1'])(
  'what fits on the way to %s arrives, and what no datagram holds is measured',
  async (address) => {
    const got: number[] = [];
    const socket = await Bun.udpSocket({
      hostname: address,
      binaryType: 'buffer',
      socket: { data: (_, bytes) => void got.push(bytes.length) },
    });
    const there = { address, port: socket.port };
    expect(await probePath(there, 1_456)).toEqual({ kind: 'fits' });
    expect(new Set(got)).toEqual(new Set([1_456]));
    const probe = await probePath(there, 70_000);
    expect(probe.kind).toBe('too_large');
    if (probe.kind === 'too_large' && address === '127.0.0.1') expect(probe.bytes).toBe(largestOnLoopback);
    socket.close();
  },
);

test('a port where nobody listens refuses', async () => {
  const socket = await Bun.udpSocket({ hostname: '127.0.0.1' });
  const { port } = socket;
  socket.close();
  expect(await probePath({ address: '127.0.0.1', port }, 100)).toEqual({ kind: 'unreachable', reason: 'ECONNREFUSED' });
});
