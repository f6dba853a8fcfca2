/** What a relay knows of one stream: counts since the session began. */
export class StreamCounts {
  /** Came from the sender, on this attachment. */
  position = 0;
  /** From where the sender's window counts: where this attachment began, or the last credit. */
  credited = 0;
  /** The last credit that the sender was told on this attachment; those of before may be lost. */
  told = -1;
  /** What the receiver says it consumed. */
  consumed = -1;
  /** Shown to the tap; undefined before the first attachment. */
  tapped: number | undefined;

  restart(at: number): void {
    this.position = this.credited = at;
    this.consumed = this.told = -1;
  }

  /** The part of `bytes`, which come at `position`, that the tap has not seen, and where it begins. */
  untapped(bytes: Uint8Array): { bytes: Uint8Array; offset: number } | undefined {
    const seen = this.tapped ?? 0;
    const end = this.position + bytes.length;
    if (end <= seen) return undefined;
    this.tapped = end;
    const offset = Math.max(seen, this.position);
    return { bytes: bytes.subarray(offset - this.position), offset };
  }

  /** A credit of at most `limit` that the sender has not been told yet. */
  credit(limit: number): number | undefined {
    const count = Math.min(limit, this.position);
    if (count <= this.told) return undefined;
    this.told = count;
    this.credited = Math.max(this.credited, count);
    return count;
  }
}
