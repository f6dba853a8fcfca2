/**
 * One client of `GET /ws`: what it asked to hear, and how far it has heard. Nothing is kept for it: what does not fit into
 * what waits on its connection is left out, and the numbers of its topics go on, so that it sees the gap and asks anew.
 */
import type { MessageSocket, SocketOwner } from '@labmesh/kit/http/socket/message-socket';
import { parseJson } from '@labmesh/kit/parse-json';
import {
  liveAskSchema,
  liveCloseCodes,
  liveLimits,
  type LiveLine,
  type LiveNews,
  type LiveWord,
} from '@labmesh/wire/verification/arena-live';

/** In which `askedMost` of all that it says may come. */
const askedMs = 10_000;
/** Signs that a client may miss, one each `pingMs`. */
const silentMost = 3;

type Heard = { seq: number; isBehind: boolean };
export type LiveClientParts = {
  /** Whether its key still may. */
  isAllowed: () => boolean;
  now: () => number;
  onClose: () => void;
};

export class LiveClient implements SocketOwner {
  readonly #parts: LiveClientParts;
  readonly #topics = new Map<string, Heard>();
  #socket: MessageSocket | undefined;
  /** How often it said something in this span of time. */
  #asked = 0;
  #askedFrom: number;
  #silent = 0;
  /** News come: what it asks for from now on holds from now on. */
  #isReady = false;
  #waitsForWord = false;

  constructor(parts: LiveClientParts) {
    this.#parts = parts;
    this.#askedFrom = parts.now();
  }

  open(socket: MessageSocket): void {
    this.#socket = socket;
  }

  ready(): void {
    this.#isReady = true;
    if (this.#waitsForWord) this.#tellTopics();
  }

  #tell(word: LiveWord): void {
    this.#socket?.send(JSON.stringify(word));
  }
  #tellTopics(): void {
    this.#waitsForWord = !this.#isReady;
    if (this.#isReady) this.#tell({ op: 'subscribed', topics: [...this.#topics.keys()] });
  }

  /** Also ends it when its key may no more: a key that was revoked hears nothing from then on. */
  #mayHear(): boolean {
    if (this.#parts.isAllowed()) return true;
    this.close(liveCloseCodes.revoked, 'the key may not listen any more');
    return false;
  }

  /** News of its tenant. */
  deliver(line: LiveLine): void {
    const own = this.#topics.get(line.topic);
    if (own === undefined || !this.#mayHear()) return;
    own.seq += 1;
    own.isBehind = (this.#socket?.waitingBytes ?? 0) > liveLimits.waitingBytesMost;
    if (!own.isBehind) this.#socket?.send(JSON.stringify({ ...line, seq: own.seq } satisfies LiveNews));
  }

  /** It has caught up: what was left out is told of, also where nothing follows. */
  onDrain(): void {
    for (const [topic, own] of this.#topics) {
      if (!own.isBehind) continue;
      own.isBehind = false;
      own.seq += 1;
      const news: LiveNews = { topic, seq: own.seq, ts: Date.now(), data: { event: 'missed' } };
      this.#socket?.send(JSON.stringify(news));
    }
  }

  onMessage(text: string): void {
    if (!this.#mayHear()) return;
    // Each message has an answer: who asks without reading is let go of.
    if ((this.#socket?.waitingBytes ?? 0) > liveLimits.waitingBytesMost) return this.#tooMany();
    const read = liveAskSchema.safeParse(parseJson(text));
    if (!read.success) {
      const field = read.error.issues[0]?.path.map(String).join('.');
      const message = `${field === undefined || field === '' ? 'the message' : field} is not as it has to be`;
      return this.#tell({ op: 'error', code: 'bad_request', message: message.slice(0, 200) });
    }
    const { op, topics } = read.data;
    if (op === 'unsubscribe') for (const topic of topics) this.#topics.delete(topic);
    else if (!this.#subscribe(topics)) {
      const message = `a connection has at most ${liveLimits.topicsMost} topics`;
      return this.#tell({ op: 'error', code: 'too_many_topics', message });
    }
    this.#tellTopics();
  }

  /** All or none of them; what it listens to already goes on counting. */
  #subscribe(topics: readonly string[]): boolean {
    const added = new Set(topics.filter((topic) => !this.#topics.has(topic)));
    if (this.#topics.size + added.size > liveLimits.topicsMost) return false;
    for (const topic of added) this.#topics.set(topic, { seq: 0, isBehind: false });
    return true;
  }

  #tooMany(): void {
    this.close(liveCloseCodes.tooMany, 'too many messages');
  }

  /** Each `pingMs`. */
  beat(): void {
    if (!this.#mayHear()) return;
    this.#silent += 1;
    if (this.#silent > silentMost) this.#socket?.terminate();
    else this.#socket?.ping();
  }

  /** Pings and fragments are work, too: whatever it says is counted, and who says it without end is let go of. */
  onAlive(): void {
    this.#silent = 0;
    const now = this.#parts.now();
    if (now - this.#askedFrom > askedMs) [this.#asked, this.#askedFrom] = [0, now];
    this.#asked += 1;
    if (this.#asked > liveLimits.askedMost) this.#tooMany();
  }

  close(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  onClose(): void {
    this.#topics.clear();
    this.#parts.onClose();
  }
}
