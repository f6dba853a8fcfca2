/** A recording as the relay's tap: it sees each byte once, and what it has not written is not credited (HB-5, EX-9). */
import type { ChannelEnding } from '@labmesh/link/channel';
import type { ChannelRelay, RelayTap } from '@labmesh/link/channel-relay';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import { beginMark } from '../recordings/overlap.ts';
import type { SessionRecording } from '../recordings/session-recording.ts';

export class RecorderTap implements RelayTap {
  readonly recording: SessionRecording;
  /** Count of a stream less the bytes of it that this part has: what was never seen lies in between. */
  readonly #base: [number, number, number] = [0, 0, 0];
  readonly #seen: [number, number, number] = [0, 0, 0];
  #exit: Exit | undefined;

  constructor(recording: SessionRecording) {
    this.recording = recording;
  }

  /** After the relay is made: tells it of bytes that were written later. */
  join(relay: ChannelRelay): void {
    this.recording.onConsumed(() => relay.tapConsumed());
    void this.recording.failed.then((why) => relay.end(why));
  }

  begin(stream: StreamId, offset: number): void {
    const base = offset - this.#seen[stream];
    // For whoever joins the parts: where in the stream this one goes on.
    const isGap = base !== this.#base[stream] || this.recording.row.part > 0;
    if (isGap && stream !== 0) this.recording.mark(beginMark(stream, offset));
    this.#base[stream] = base;
  }

  data(stream: StreamId, bytes: Uint8Array): void {
    this.#seen[stream] += bytes.length;
    this.recording.write(stream, bytes);
  }
  resize(cols: number, rows: number): void {
    this.recording.resize(cols, rows);
  }
  exit(exit: Exit): void {
    this.#exit = exit;
  }
  close(_ending: ChannelEnding): void {
    void this.recording.end(this.#exit);
  }
  consumed(stream: StreamId): number {
    return this.#base[stream] + this.recording.consumed(stream);
  }
}
