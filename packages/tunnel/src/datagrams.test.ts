import { describe, expect, test } from 'bun:test';
import type { Endpoint } from '@labmesh/rosenpass/effects';
import { DialledDatagrams, listenDatagrams, plainEndpoint } from './datagrams.ts';

type Got = { text: string; source: Endpoint };
const bytes = (text: string) => new TextEncoder().encode(text);

function inbox() {
  const got: Got[] = [];
  const onDatagram = (data: Uint8Array, source: Endpoint) =>
    void got.push({ text: Buffer.from(data).toString(), source });
  const wait = async (count: number) => {
    for (let turn = 0; got.length < count && turn < 500; turn++) await Bun.sleep(2);
    return got;
  };
  return { got, onDatagram, wait };
}

describe('datagrams of the key exchange', () => {
  test.each(['127.0.0.1', '::1'])('a node dials a hub on %s and is answered', async (address) => {
    const [atHub, atNode] = [inbox(), inbox()];
    await using hub = await listenDatagrams([address], 0, atHub.onDatagram);
    await using node = new DialledDatagrams(atNode.onDatagram);
    node.send({ address, port: hub.port }, bytes('hello'));
    const [first] = await atHub.wait(1);
    expect(first?.text).toBe('hello');
    hub.send(first?.source ?? { address: '', port: 0 }, bytes('answer'));
    const [answer] = await atNode.wait(1);
    expect(answer).toEqual({ text: 'answer', source: { address, port: hub.port } });
    // Its address is still this machine's, also while it has no socket.
    expect(node.isStranded).toBe(false);
    node.reopen();
    expect(node.isStranded).toBe(false);
  });

  // Without the right the machine's own limit holds, which may be 200 KiB.
  test.skipIf(process.getuid?.() !== 0)('a burst waits in the hub while its thread is busy', async () => {
    const [atHub, atNode] = [inbox(), inbox()];
    await using hub = await listenDatagrams(['127.0.0.1'], 0, atHub.onDatagram);
    await using node = await listenDatagrams(['127.0.0.1'], 0, atNode.onDatagram);
    const initHello = new Uint8Array(1_092);
    // In one turn of this thread, which is the hub's as well.
    for (let n = 0; n < 600; n++) node.send({ address: '127.0.0.1', port: hub.port }, initHello);
    expect(await atHub.wait(600)).toHaveLength(600);
  });

  test('what comes from elsewhere never reaches a node', async () => {
    const [atHub, atNode, atOther] = [inbox(), inbox(), inbox()];
    await using hub = await listenDatagrams(['127.0.0.1'], 0, atHub.onDatagram);
    await using other = await listenDatagrams(['127.0.0.1'], 0, atOther.onDatagram);
    await using node = new DialledDatagrams(atNode.onDatagram);
    node.send({ address: '127.0.0.1', port: hub.port }, bytes('hello'));
    const [first] = await atHub.wait(1);
    const to = first?.source ?? { address: '', port: 0 };
    other.send(to, bytes('forged'));
    hub.send(to, bytes('answer'));
    await atNode.wait(1);
    await Bun.sleep(20);
    expect(atNode.got.map(({ text }) => text)).toEqual(['answer']);
  });

  test('another place is dialled from another socket; datagrams wait while it opens, few of them', async () => {
    const [one, two, atNode] = [inbox(), inbox(), inbox()];
    await using first = await listenDatagrams(['127.0.0.1'], 0, one.onDatagram);
    await using second = await listenDatagrams(['127.0.0.1'], 0, two.onDatagram);
    await using node = new DialledDatagrams(atNode.onDatagram);
    for (let n = 0; n < 10; n++) node.send({ address: '127.0.0.1', port: first.port }, bytes(`a${n}`));
    expect((await one.wait(4)).map(({ text }) => text)).toEqual(['a0', 'a1', 'a2', 'a3']);
    node.send({ address: '127.0.0.1', port: second.port }, bytes('b'));
    expect((await two.wait(1)).map(({ text }) => text)).toEqual(['b']);
    expect(one.got).toHaveLength(4);
  });

  test('a place that was left may answer late; of many places the first are forgotten', async () => {
    const [atHub, atNode, elsewhere] = [inbox(), inbox(), inbox()];
    await using hub = await listenDatagrams(['127.0.0.1'], 0, atHub.onDatagram);
    await using other = await listenDatagrams(['127.0.0.2'], 0, elsewhere.onDatagram);
    await using node = new DialledDatagrams(atNode.onDatagram);
    node.send({ address: '127.0.0.1', port: hub.port }, bytes('hello'));
    const to = (await atHub.wait(1))[0]?.source ?? { address: '', port: 0 };
    node.send({ address: '127.0.0.2', port: other.port }, bytes('hello'));
    await elsewhere.wait(1);
    hub.send(to, bytes('late'));
    expect((await atNode.wait(1)).map(({ text }) => text)).toEqual(['late']);
    node.send({ address: '127.0.0.1', port: hub.port }, bytes('again'));
    expect((await atHub.wait(2))[1]?.source).toEqual(to);
    for (let n = 0; n < 16; n++) node.send({ address: `127.0.1.${n}`, port: 9 }, bytes('x'));
    node.send({ address: '127.0.0.1', port: hub.port }, bytes('anew'));
    expect((await atHub.wait(3))[2]?.source).not.toEqual(to);
  });

  test('a hub on both families answers each on its own', async () => {
    const atHub = inbox();
    await using hub = await listenDatagrams(['127.0.0.1', '::1'], 0, atHub.onDatagram);
    for (const address of ['127.0.0.1', '::1']) {
      const atNode = inbox();
      await using node = new DialledDatagrams(atNode.onDatagram);
      node.send({ address, port: hub.port }, bytes(address));
      const got = await atHub.wait(atHub.got.length + 1);
      const last = got.at(-1);
      expect(last?.text).toBe(address);
      hub.send(last?.source ?? { address: '', port: 0 }, bytes('back'));
      expect((await atNode.wait(1))[0]?.text).toBe('back');
    }
  });

  test.each([
    ['port 0, as a forged source has it', '127.0.0.1', 0],
    ['an address that takes no datagrams', '255.255.255.255', 9],
    ['an address that is none', 'x', 9],
  ])('what cannot be sent is lost, and nothing else: %s', async (_, address, port) => {
    const atHub = inbox();
    await using hub = await listenDatagrams(['127.0.0.1'], 0, atHub.onDatagram);
    hub.send({ address, port }, bytes('lost'));
    await using node = new DialledDatagrams(atHub.onDatagram);
    node.send({ address, port }, bytes('lost'));
    node.send({ address: '127.0.0.1', port: hub.port }, bytes('hello'));
    expect((await atHub.wait(1)).map(({ text }) => text)).toEqual(['hello']);
  });

  test('a mapped address is the IPv4 address that it holds', () => {
    expect(plainEndpoint('::ffff:192.0.2.1', 9)).toEqual({ address: '192.0.2.1', port: 9 });
    expect(plainEndpoint('::ffff:0:1', 9).address).toBe('::ffff:0:1');
  });
});
