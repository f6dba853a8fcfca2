/** Length and SHA-256 of each stream as it passes: what the audit row says about bytes that no recording keeps (EX-11). */
import type { StreamId } from '@labmesh/wire/frame/frame-types';

export const streamNames = ['in', 'out', 'err'] as const;
export type StreamName = (typeof streamNames)[number];
/** `sha256`: lower-case hex. Streams without bytes are left out. */
export type StreamSums = Partial<Record<StreamName, { bytes: number; sha256: string }>>;

export class StreamDigests {
  readonly #streams = new Map<StreamId, { bytes: number; hash: Bun.CryptoHasher }>();

  update(stream: StreamId, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const seen = this.#streams.get(stream) ?? { bytes: 0, hash: new Bun.CryptoHasher('sha256') };
    seen.bytes += bytes.length;
    seen.hash.update(bytes);
    this.#streams.set(stream, seen);
  }

  /** As it stands; the streams may go on. */
  sums(): StreamSums {
    const found = [...this.#streams].map(([stream, { bytes, hash }]) => {
      return [streamNames[stream], { bytes, sha256: hash.copy().digest('hex') }] as const;
    });
    return Object.fromEntries(found);
  }
}
