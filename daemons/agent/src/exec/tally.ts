/** Bytes and SHA-256 of a session's streams, for EXIT and the audit row (EX-4, EX-11). */
import type { Exit, Received } from '@labmesh/wire/frame/messages';
import type { StreamId } from '@labmesh/wire/frame/frame-types';

const names = ['in', 'out', 'err'] as const;

export class Tally {
  #bytes: Received = { in: 0, out: 0, err: 0 };
  #hashes = new Map<(typeof names)[number], Bun.CryptoHasher>();

  add(stream: StreamId, bytes: Uint8Array): void {
    const name = names[stream];
    this.#bytes[name] += bytes.length;
    const hash = this.#hashes.get(name) ?? new Bun.CryptoHasher('sha256');
    this.#hashes.set(name, hash.update(bytes));
  }

  /** Streams without bytes have no sum. To be asked once. */
  sums(): Pick<Exit, 'bytes' | 'sha256'> {
    const sums = [...this.#hashes].map(([name, hash]) => [name, hash.digest('hex')]);
    return { bytes: { ...this.#bytes }, sha256: Object.fromEntries(sums) };
  }
}
