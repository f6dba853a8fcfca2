/**
 * Where the parts of a recording overlap (EX-9). What the last replica had written and its client had not yet taken comes
 * again to the next one, whose part therefore begins with a marker of where in each stream it does:
 *
 *     part 1 on A:  o "line 1\nline 2\n"      m "labmesh: stdout from byte 7"  o "line 2\nline 3\n"   part 2 on B
 *     joined:       o "line 1\nline 2\n"                                       o "line 3\n"
 *
 * Bytes are counted by their text: after one that was no UTF-8 nothing is left out any more.
 */
const names = { stdout: 1, stderr: 2 } as const;
type Name = keyof typeof names;

/** The marker of a part that begins in the middle of a stream. */
export const beginMark = (stream: 1 | 2, offset: number): string =>
  `labmesh: ${stream === 1 ? 'stdout' : 'stderr'} from byte ${offset}`;

const beginPattern = /^labmesh: (stdout|stderr) from byte (\d{1,15})$/;
const badByte = '\uFFFD';

type Track = { bytes: number; skip: number; isExact: boolean };
const track = (): Track => ({ bytes: 0, skip: 0, isExact: true });

export class Overlap {
  readonly #tracks: Record<Name, Track> = { stdout: track(), stderr: track() };
  #now: Name = 'stdout';

  /** The stream that the output of the part at hand is of. */
  get stream(): Name {
    return this.#now;
  }

  /** Another part begins: with stdout. */
  begin(): void {
    this.#now = 'stdout';
    for (const one of Object.values(this.#tracks)) one.skip = 0;
  }

  /** An `m` event. A begin mark is ours: what is to be told in its place, or '' for nothing. */
  mark(text: string): string {
    if (text === 'stdout' || text === 'stderr') this.#now = text;
    const [, name, offset] = beginPattern.exec(text) ?? [];
    if (name === undefined) return text;
    const one = this.#tracks[name as Name];
    if (!one.isExact) return text;
    const missing = Number(offset) - one.bytes;
    one.skip = Math.max(0, -missing);
    if (missing <= 0) return '';
    one.bytes += missing;
    return `labmesh: ${missing} bytes of ${name} before this are not in the recording`;
  }

  /** The part of an output that was not there before. */
  fresh(text: string): string {
    const one = this.#tracks[this.#now];
    if (text.includes(badByte)) one.isExact = false;
    if (one.skip === 0 || !one.isExact) {
      one.bytes += Buffer.byteLength(text);
      return text;
    }
    const bytes = Buffer.from(text);
    const skipped = Math.min(one.skip, bytes.length);
    one.skip -= skipped;
    one.bytes += bytes.length - skipped;
    return bytes.subarray(skipped).toString();
  }
}
