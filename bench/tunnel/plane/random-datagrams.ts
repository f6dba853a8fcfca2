import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';
import { answer, nodeAndHub } from '@labmesh/wireguard/dataplane/testing/node-and-hub';
import { median } from '../../percentile.ts';

const rounds = 10;
const packets = 40_000;
/** One after so many packets: 100,000 in all rounds. */
const every = 4;

/** Bytes of every length up to a packet's; half of them begin as messages of WireGuard do. */
function randomDatagram(index: number): Uint8Array {
  const bytes = crypto.getRandomValues(new Uint8Array((index * 37) % 1500));
  if (index % 2 === 0 && bytes.length > 4) bytes.set([(index / 2) % 5, 0, 0, 0]);
  return bytes;
}

/**
 * Packets of 1,300 bytes that the own data plane of a hub takes a second while random datagrams come between them, over
 * those that it takes without (D6). Rounds take turns.
 */
export async function measureRandomDatagrams(): Promise<{ random_datagrams: number; random_throughput_share: number }> {
  const { aead } = await chooseAead();
  const { network, node, hub } = nodeAndHub(aead);
  node.send(answer('a session'));
  network.carry = () => [];
  const packet = answer('x'.repeat(1_300));
  const junk = Array.from({ length: packets / every }, (_, index) => randomDatagram(index));
  const take = (bytes: Uint8Array, from: string) => hub.plane.fromNetwork(bytes, from, 1, 0, network.nowMs);
  /** Packets a ms. */
  const round = (isFlooded: boolean): number => {
    network.log.length = hub.received.length = 0;
    for (let sent = 0; sent < packets; sent++) node.send(packet);
    const sealed = network.log.filter((one) => one.from === node.name).map(({ bytes }) => bytes);
    const from = performance.now();
    for (const [index, bytes] of sealed.entries()) {
      take(bytes, node.name);
      const noise = isFlooded && index % every === 0 ? junk[index / every] : undefined;
      if (noise !== undefined) take(noise, '203.0.113.9');
    }
    const ms = performance.now() - from;
    if (hub.received.length !== packets) throw new Error(`${hub.received.length} of ${packets} packets came through`);
    return packets / ms;
  };
  round(true);
  const shares: number[] = [];
  for (let index = 0; index < rounds; index++) {
    const clean = round(false);
    shares.push(round(true) / clean);
  }
  return { random_datagrams: (rounds * packets) / every, random_throughput_share: median(shares) };
}
