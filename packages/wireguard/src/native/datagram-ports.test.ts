import { thrower } from '@labmesh/wire/testing/errors';
import { describe, expect, test } from 'bun:test';
import type { Path } from '../dataplane/peer.ts';
import { DialledPorts } from './dialled-ports.ts';
import { openListeningPorts } from './listening-ports.ts';

type Heard = { bytes: number; address: string; port: number; via: number };

function listener() {
  const heard: Heard[] = [];
  const onDatagram = (datagram: Uint8Array, address: string, port: number, via: number) =>
    void heard.push({ bytes: datagram.length, address, port, via });
  return { heard, onDatagram };
}

async function until(what: () => boolean): Promise<void> {
  for (let waited = 0; !what() && waited < 2000; waited += 5) await Bun.sleep(5);
}

const loopback = (port: number): Path => ({ address: '127.0.0.1', port, via: -1 });

describe('ports that listen', () => {
  test('one port on every address; answers leave by the socket that was asked', async () => {
    const { heard, onDatagram } = listener();
    const ports = await openListeningPorts(['127.0.0.1', '127.0.0.2'], 0, onDatagram);
    const asker = listener();
    const dialled = await DialledPorts.open(asker.onDatagram);
    try {
      expect(ports.port).toBeGreaterThan(0);
      await dialled.reach('peer', { address: '127.0.0.2', port: ports.port });
      dialled.send(new Uint8Array(5), { address: '127.0.0.2', port: ports.port, via: 0 });
      expect(dialled.flush()).toBe(0);
      await until(() => heard.length > 0);
      expect(heard).toEqual([{ bytes: 5, address: '127.0.0.1', port: dialled.port, via: 1 }]);
      ports.send(new Uint8Array(7), { address: '127.0.0.1', port: dialled.port, via: 1 });
      expect(ports.flush()).toBe(0);
      await until(() => asker.heard.length > 0);
      // By the other socket it would come from another address, and the kernel would drop it.
      expect(asker.heard).toEqual([{ bytes: 7, address: '127.0.0.2', port: ports.port, via: 0 }]);
    } finally {
      ports.close();
      dialled.close();
    }
  });

  test('the wildcard of IPv6 takes IPv4 too, under its plain address', async () => {
    const { heard, onDatagram } = listener();
    const ports = await openListeningPorts(['::'], 0, onDatagram);
    const other = await openListeningPorts(['127.0.0.1'], 0, () => {});
    try {
      other.send(new Uint8Array(3), loopback(ports.port));
      other.flush();
      await until(() => heard.length > 0);
      expect(heard).toEqual([{ bytes: 3, address: '127.0.0.1', port: other.port, via: 0 }]);
    } finally {
      ports.close();
      other.close();
    }
  });

  test('a place that cannot be reached does not cost the others their datagrams', async () => {
    const { heard, onDatagram } = listener();
    const ports = await openListeningPorts(['127.0.0.1'], 0, onDatagram);
    try {
      ports.send(new Uint8Array(1), loopback(ports.port));
      // From a loopback address there is no way out.
      ports.send(new Uint8Array(2), { address: '192.0.2.1', port: 9, via: 0 });
      ports.send(new Uint8Array(3), loopback(ports.port));
      expect(ports.flush()).toBe(1);
      await until(() => heard.some((one) => one.bytes === 3));
      expect(new Set(heard.map((one) => one.bytes))).toEqual(new Set([1, 3]));
      expect(ports.flush()).toBe(0);
    } finally {
      ports.close();
    }
  });

  test('an address that is not ours is refused, and nothing stays open', async () => {
    const free = await openListeningPorts(['127.0.0.1'], 0, () => {});
    free.close();
    expect(await thrower(openListeningPorts(['127.0.0.1', '192.0.2.7'], free.port, () => {}))).toThrow();
    (await openListeningPorts(['127.0.0.1'], free.port, () => {})).close();
  });
});

describe('ports that dial', () => {
  test('strangers are not heard; the port stays when the socket is opened anew', async () => {
    const hub = listener();
    const ports = await openListeningPorts(['127.0.0.1'], 0, hub.onDatagram);
    const stranger = await openListeningPorts(['127.0.0.1'], 0, () => {});
    const node = listener();
    const dialled = await DialledPorts.open(node.onDatagram);
    try {
      await dialled.reach('hub', { address: '127.0.0.1', port: ports.port });
      for (let round = 0; round < 3; round += 1) {
        dialled.send(new Uint8Array(4), loopback(ports.port));
        expect(dialled.flush()).toBe(0);
        await until(() => hub.heard.length > round);
        expect(hub.heard[round]?.port).toBe(dialled.port);
        await dialled.moved();
      }
      stranger.send(new Uint8Array(9), loopback(dialled.port));
      stranger.flush();
      ports.send(new Uint8Array(6), loopback(dialled.port));
      ports.flush();
      await until(() => node.heard.length > 0);
      expect(node.heard.map((one) => one.bytes)).toEqual([6]);
    } finally {
      ports.close();
      stranger.close();
      dialled.close();
    }
  });

  test('what leaves while the socket is opened anew goes by the next one, and is no other bytes by then', async () => {
    const hub = listener();
    const ports = await openListeningPorts(['127.0.0.1'], 0, hub.onDatagram);
    const dialled = await DialledPorts.open(() => {});
    try {
      await dialled.reach('hub', { address: '127.0.0.1', port: ports.port });
      // As a handshake does that goes unanswered: sent, another socket asked for, and only then flushed.
      const buffer = new Uint8Array(4);
      dialled.send(buffer.subarray(0, 3), loopback(ports.port));
      dialled.renew(loopback(ports.port));
      expect(dialled.flush()).toBe(0);
      await until(() => hub.heard.length > 0);
      expect(hub.heard).toEqual([{ bytes: 3, address: '127.0.0.1', port: dialled.port, via: 0 }]);
      dialled.renew(loopback(ports.port));
      for (let n = 0; n < 200; n++) dialled.send(buffer, loopback(ports.port));
      expect(dialled.flush()).toBe(72);
      await until(() => hub.heard.length > 128);
      expect(hub.heard).toHaveLength(129);
    } finally {
      ports.close();
      dialled.close();
    }
  });

  test('IPv6 places too', async () => {
    const hub = listener();
    const ports = await openListeningPorts(['::1'], 0, hub.onDatagram);
    const dialled = await DialledPorts.open(() => {});
    try {
      await dialled.reach('hub', { address: '::1', port: ports.port });
      dialled.send(new Uint8Array(4), { address: '::1', port: ports.port, via: 0 });
      expect(dialled.flush()).toBe(0);
      await until(() => hub.heard.length > 0);
      expect(hub.heard[0]?.address).toBe('::1');
    } finally {
      ports.close();
      dialled.close();
    }
  });

  test('what has no socket is lost and counted; a peer that moves leaves its old place', async () => {
    const dialled = await DialledPorts.open(() => {});
    try {
      dialled.send(new Uint8Array(1), loopback(9));
      expect(dialled.flush()).toBe(0); // nobody's place
      await dialled.reach('hub', loopback(9));
      dialled.leave('hub');
      dialled.send(new Uint8Array(1), loopback(9));
      expect(dialled.flush()).toBe(0);
      await dialled.reach('hub', loopback(9));
      await dialled.reach('hub', loopback(10));
      dialled.send(new Uint8Array(1), loopback(10));
      expect(dialled.flush()).toBe(0);
    } finally {
      dialled.close();
    }
  });
});
