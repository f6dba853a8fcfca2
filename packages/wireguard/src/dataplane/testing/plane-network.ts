/**
 * Data planes on one driven clock and a network of which a test sees and changes every datagram. Time stands still while
 * datagrams travel.
 */
import type { AeadProvider } from '../../aead/aead-provider.ts';
import { TimestampSource } from '../../noise/tai64n.ts';
import { publicKeyOf } from '../../noise/x25519.ts';
import type { DeviceRole } from '../../tunnel-device.ts';
import { DataPlane, roomBefore, roomBehind } from '../data-plane.ts';
import { Drops } from '../drops.ts';

export type Datagram = { from: string; to: string; bytes: Uint8Array };

export type PlaneEnd = {
  name: string;
  plane: DataPlane;
  publicKey: Uint8Array;
  drops: Drops;
  /** Packets that came out of the tunnel. */
  received: Uint8Array[];
  /** Gives the machine's packet to the tunnel. */
  send(packet: Uint8Array): void;
};

export type EndOptions = { name: string; address: string; role: DeviceRole; keyByte: number; mtu?: number };

const wallStart = 1_700_000_000_000;

export class PlaneNetwork {
  readonly #aead: AeadProvider;
  readonly #ends = new Map<string, PlaneEnd>();
  #underWay: Datagram[] = [];
  #drawn = 0;
  nowMs = 0;
  jitter = 0;
  /** Every datagram ever sent. */
  readonly log: (Datagram & { atMs: number })[] = [];
  readonly unanswered: { at: number; path: string }[] = [];
  /** What the network makes of a datagram: itself, another, none, several. */
  carry: (datagram: Datagram) => Datagram[] = (datagram) => [datagram];

  constructor(aead: AeadProvider) {
    this.#aead = aead;
  }

  /** An end that is reached at the address `name:1`. */
  add(options: EndOptions): PlaneEnd {
    const { name, address, role, keyByte, mtu = 1420 } = options;
    const privateKey = new Uint8Array(32).fill(keyByte);
    const own = { privateKey, publicKey: publicKeyOf(privateKey) };
    const [drops, received]: [Drops, Uint8Array[]] = [new Drops(), []];
    const stamps = new TimestampSource({ load: () => undefined, save: () => {} }, () => wallStart + this.nowMs);
    const context = {
      own,
      aead: this.#aead,
      drops,
      output: {
        send: (buffer: Uint8Array, start: number, length: number, path: { address: string }) =>
          this.#send({ from: name, to: path.address, bytes: buffer.slice(start, start + length) }),
        deliver: (buffer: Uint8Array, start: number, length: number) =>
          void received.push(buffer.slice(start, start + length)),
        unanswered: (path: { address: string }) => void this.unanswered.push({ at: this.nowMs, path: path.address }),
      },
      random: (length: number) => this.random(length),
      timestamp: () => stamps.next(),
      wall: () => wallStart + this.nowMs,
      jitter: () => this.jitter,
    };
    const plane = new DataPlane(context, { address, mtu, role });
    const send = (packet: Uint8Array) => {
      const buffer = new Uint8Array(roomBefore + packet.length + roomBehind);
      buffer.set(packet, roomBefore);
      plane.fromTunnel(buffer, roomBefore, packet.length, this.nowMs);
      this.settle();
    };
    const end = { name, plane, publicKey: own.publicKey, drops, received, send };
    this.#ends.set(name, end);
    return end;
  }

  /** The same bytes in every run. */
  random(length: number): Uint8Array {
    this.#drawn += 1;
    const hasher = new Bun.CryptoHasher('sha512').update(`${this.#drawn}`);
    return Uint8Array.from(hasher.digest().subarray(0, length));
  }

  /** Lets all datagrams arrive, and the answers to them. */
  settle(): void {
    for (let rounds = 0; this.#underWay.length > 0; rounds += 1) {
      if (rounds > 1000) throw new Error('the ends never fall silent');
      const batch = this.#underWay;
      this.#underWay = [];
      for (const datagram of batch.flatMap((one) => this.carry(one))) this.inject(datagram);
    }
  }

  /** Gives a datagram to its receiver, past `carry`. */
  inject(datagram: Datagram): void {
    this.#ends.get(datagram.to)?.plane.fromNetwork(datagram.bytes.slice(), datagram.from, 1, 0, this.nowMs);
  }

  /** Moves time on to each deadline in turn. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    this.settle();
    for (;;) {
      const due = Math.min(...Array.from(this.#ends.values(), (one) => one.plane.deadline));
      if (due > end) break;
      this.nowMs = Math.max(this.nowMs, due);
      for (const one of this.#ends.values()) one.plane.tick(this.nowMs);
      this.settle();
    }
    this.nowMs = end;
  }

  /** Types of the messages that an end sent since `fromMs`, with their times. */
  sent(name: string, fromMs = 0): { type: number; length: number; atMs: number }[] {
    return this.log
      .filter((one) => one.from === name && one.atMs >= fromMs)
      .map((one) => ({ type: one.bytes[0] ?? 0, length: one.bytes.length, atMs: one.atMs }));
  }

  #send(datagram: Datagram): void {
    this.log.push({ ...datagram, atMs: this.nowMs });
    this.#underWay.push(datagram);
  }
}
