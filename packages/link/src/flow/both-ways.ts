/** The streams of a session's end: what it sends and what it gets, with the counts that both sides agree by. */
import type { ChannelFrame } from '@labmesh/wire/frame/codec';
import type { StreamId } from '@labmesh/wire/frame/frame-types';
import type { Received } from '@labmesh/wire/frame/messages';
import { type Fault, type IncomingHost, InStream } from './incoming.ts';
import { Outgoing, type OutStream } from './outgoing.ts';

const openerSends: readonly StreamId[] = [0];
const acceptorSends: readonly StreamId[] = [1, 2];

const triple = (of: (stream: StreamId) => number): Received => ({ in: of(0), out: of(1), err: of(2) });
/** The count of one stream. */
export const countOf = (counts: Received, stream: StreamId): number => [counts.in, counts.out, counts.err][stream] ?? 0;

export class BothWays {
  readonly incoming: readonly InStream[];
  readonly outgoing: Outgoing;

  /** `sendWindow` 0: nothing may be sent until OPEN_OK says how much. */
  constructor(isOpener: boolean, sendWindow: number, receiveWindow: number, host: IncomingHost) {
    this.outgoing = new Outgoing(isOpener ? openerSends : acceptorSends, sendWindow, false);
    this.incoming = (isOpener ? acceptorSends : openerSends).map((id) => new InStream(id, receiveWindow, host));
  }

  get received(): Received {
    return triple((id) => this.#in(id)?.received ?? 0);
  }
  get sent(): Received {
    return triple((id) => this.outgoing.stream(id)?.queue.written ?? 0);
  }
  /** Memory of what waits, both directions. */
  get memoryBytes(): number {
    const sent = this.outgoing.streams.reduce((sum, stream) => sum + stream.queue.memoryBytes, 0);
    return this.incoming.reduce((sum, stream) => sum + stream.memoryBytes, sent);
  }

  /** @throws TypeError for a stream that the other side sends. */
  out(id: StreamId): OutStream {
    const out = this.outgoing.stream(id);
    if (out === undefined) throw new TypeError(`stream ${id} goes the other way`);
    return out;
  }

  #in(id: StreamId): InStream | undefined {
    return this.incoming.find((stream) => stream.id === id);
  }

  /** DATA, EOF or CREDIT of the other side. */
  take(frame: Extract<ChannelFrame, { type: 'data' | 'eof' | 'credit' }>): Fault {
    if (frame.type === 'credit') {
      return this.outgoing.stream(frame.stream)?.credit(frame.count) === true ? undefined : 'protocol';
    }
    const stream = this.#in(frame.stream);
    if (stream === undefined) return 'protocol';
    return frame.type === 'data' ? stream.data(frame.bytes) : stream.end();
  }

  /**
   * RESUME asks for our streams from `wanted` on: from there, or from the oldest byte that is kept. Undefined when it
   * counts bytes that were never sent.
   */
  startsFor(wanted: Received): Received | undefined {
    const starts = triple((id) => Math.max(countOf(wanted, id), this.outgoing.stream(id)?.queue.released ?? 0));
    const fits = this.outgoing.streams.every(({ id, queue }) => countOf(starts, id) <= queue.written);
    return fits ? starts : undefined;
  }

  /** RESUME_OK says what `there` has of our streams, and from where theirs go on. False: bytes are lost. */
  agrees(there: Received): boolean {
    const kept = this.outgoing.streams.every(({ id, queue }) => {
      const count = countOf(there, id);
      return count >= queue.released && count <= queue.written;
    });
    return kept && this.incoming.every((stream) => stream.resumeAt(countOf(there, stream.id)));
  }

  /** The link is back: our streams go again from `starts`, and every credit is told again. */
  goOn(starts: Received): void {
    this.outgoing.rewind((id) => countOf(starts, id));
    for (const stream of this.incoming) stream.creditNow();
  }
}
