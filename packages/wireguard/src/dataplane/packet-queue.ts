/** Packets that wait for a session, oldest first; the oldest gives way (spec tunnel.md 5.9). */
export const queuedPacketsMax = 128;

export class PacketQueue {
  #packets: Uint8Array[] = [];

  get depth(): number {
    return this.#packets.length;
  }

  /** Keeps a copy. False: the oldest one was dropped for it. */
  push(packet: Uint8Array): boolean {
    this.#packets.push(packet.slice());
    if (this.#packets.length <= queuedPacketsMax) return true;
    this.#packets.shift();
    return false;
  }

  /** All of them; the queue is empty afterwards. */
  takeAll(): Uint8Array[] {
    const packets = this.#packets;
    this.#packets = [];
    return packets;
  }
}
