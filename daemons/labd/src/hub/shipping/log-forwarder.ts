/**
 * Batches of many agents to one collector. What came while a request was under way goes together in the next; nothing
 * is kept here for later: a collector that is away costs the agents' disks, not our memory.
 *
 *     forward(batch) ─▶ queue ≤ 16 MiB ─▶ group ≤ 1 MiB ─▶ POST, 2 at a time
 *            ◀─────────── done │ refused │ retry ────────────────┘
 *
 * Servers whose lines may be why a request failed are sent alone, in at most one of the two, and wait for themselves.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import type { LogAck } from '@labmesh/wire/frame/log-batch';
import type { CollectorAnswer } from './otlp-collector.ts';
import { type Labels, otlpLogs, type ServerBatch } from './otlp-logs.ts';
import { Suspects } from './suspects.ts';

export type ForwarderParts = {
  post: (body: string, signal: AbortSignal) => Promise<CollectorAnswer>;
  /** Never rejects. */
  labels: (serverId: string) => Promise<Labels>;
  clock: Clock;
  log: Logger;
};
export type Outcome = Pick<LogAck, 'status' | 'retryAfterMs'>;
type Waiting = { batch: ServerBatch; bytes: number; resolve: (outcome: Outcome) => void };

/** Bytes of lines that wait or are under way, over all agents. */
export const queueBytesMax = 16 * 1024 * 1024;
const groupBytesMax = 1024 * 1024;
const postsMax = 2;
/** Batches of suspects that wait: they must not fill the queue of the others. */
export const asideMax = 8;
/** Told to whoever finds the queue full; the agents spread it. */
const fullRetryMs = 2_000;
const waits = { firstMs: 1_000, capMs: 30_000 };
/** What a line costs besides its texts. */
const lineCostBytes = 256;

/** All that an agent may choose the length of. */
const costOf = ({ lines }: ServerBatch) =>
  lines.reduce(
    (sum, { text, file = '', unit = '' }) => sum + text.length + file.length + unit.length + lineCostBytes,
    0,
  );

export class LogForwarder implements AsyncDisposable {
  readonly #parts: ForwarderParts;
  readonly #ending = new AbortController();
  readonly #suspects: Suspects;
  #queue: Waiting[] = [];
  /** Of suspects. */
  #aside: Waiting[] = [];
  #isAsideSent = false;
  #posts = new Set<Promise<void>>();
  #backoff = backoff(waits);
  #awayUntil = 0;
  #isAway = false;
  queuedBytes = 0;
  /** Since the start. */
  readonly counts = { takenLines: 0, refusedLines: 0, rejectedLines: 0, turnedAway: 0, posts: 0 };

  constructor(parts: ForwarderParts) {
    this.#parts = parts;
    this.#suspects = new Suspects(parts.clock, waits);
  }

  get isAway(): boolean {
    return this.#isAway;
  }

  /** What to answer while nothing is taken; undefined when it is. To be asked before a batch is read. */
  turnAway(serverId: string): Outcome | undefined {
    const isAsideFull = this.#suspects.has(serverId) && this.#aside.length >= asideMax;
    const isFull = isAsideFull || this.queuedBytes >= queueBytesMax || this.#ending.signal.aborted;
    const restMs = this.#suspects.restMs(serverId);
    if (restMs !== undefined) return this.#later(restMs);
    return this.#whileAway() ?? (isFull ? this.#later(fullRetryMs) : undefined);
  }

  #whileAway(): Outcome | undefined {
    const restMs = this.#awayUntil - this.#parts.clock.now();
    return restMs > 0 ? this.#later(Math.ceil(restMs)) : undefined;
  }

  #later(retryAfterMs: number): Outcome {
    this.counts.turnedAway++;
    return { status: 'retry', retryAfterMs };
  }

  /** Resolves when it is decided what became of the batch. Never rejects. */
  forward(batch: ServerBatch): Promise<Outcome> {
    const bytes = costOf(batch);
    this.queuedBytes += bytes;
    return new Promise((resolve) => {
      (this.#suspects.has(batch.serverId) ? this.#aside : this.#queue).push({ batch, bytes, resolve });
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#posts.size < postsMax) {
      const suspect = this.#isAsideSent ? undefined : this.#aside.shift();
      const group = suspect === undefined ? this.#nextGroup() : [suspect];
      if (group.length === 0) return;
      this.#isAsideSent ||= suspect !== undefined;
      const post = this.#send(group)
        .catch((error: unknown) => {
          this.#parts.log.error('logs could not be forwarded', { error });
          settle(group, this.#later(fullRetryMs));
        })
        .finally(() => {
          this.#posts.delete(post);
          if (suspect !== undefined) this.#isAsideSent = false;
          for (const { bytes } of group) this.queuedBytes -= bytes;
          this.#pump();
        });
      this.#posts.add(post);
    }
  }

  #nextGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes < groupBytesMax))
      bytes += this.#queue[count++]?.bytes ?? 0;
    return this.#queue.splice(0, count);
  }

  async #send(group: readonly Waiting[]): Promise<void> {
    // Who waited behind the request that failed need not find out for itself.
    const turnedAway = this.#whileAway();
    if (turnedAway !== undefined) return settle(group, turnedAway);
    this.counts.posts++;
    const batches = group.map(({ batch }) => batch);
    const labels = await Promise.all(batches.map(({ serverId }) => this.#parts.labels(serverId)));
    const answer = await this.#parts.post(otlpLogs(batches, labels), this.#ending.signal);
    if (answer.status === 'away') return settle(group, this.#wentAway(answer, group));
    this.#cameBack();
    this.#suspects.passed(serversOf(group));
    if (answer.status === 'taken') {
      this.counts.takenLines += linesOf(group);
      this.counts.rejectedLines += answer.rejectedLines;
      return settle(group, { status: 'done' });
    }
    if (group.length > 1) return this.#sendHalves(group);
    this.counts.refusedLines += linesOf(group);
    settle(group, { status: 'refused' });
  }

  /** One batch that the collector does not like must not cost the others theirs. */
  async #sendHalves(group: readonly Waiting[]): Promise<void> {
    const middle = Math.ceil(group.length / 2);
    await this.#send(group.slice(0, middle));
    await this.#send(group.slice(middle));
  }

  #wentAway(answer: Extract<CollectorAnswer, { status: 'away' }>, group: readonly Waiting[]): Outcome {
    const { why, retryAfterMs = 0, mayBeContent } = answer;
    // One that was a suspect before says nothing about the collector.
    const isKnown = mayBeContent === true && serversOf(group).every((serverId) => this.#suspects.has(serverId));
    if (!isKnown && !this.#isAway && !this.#ending.signal.aborted)
      this.#parts.log.warn('the collector takes no logs; agents keep theirs', { why });
    if (!isKnown) this.#isAway = true;
    if (mayBeContent === true) return this.#later(this.#suspects.failed(serversOf(group), retryAfterMs));
    const waitMs = Math.max(this.#backoff.next().value ?? waits.capMs, retryAfterMs);
    this.#awayUntil = this.#parts.clock.now() + waitMs;
    return this.#later(waitMs);
  }

  #cameBack(): void {
    if (this.#isAway) this.#parts.log.info('the collector takes logs again');
    this.#isAway = false;
    this.#awayUntil = 0;
    this.#backoff = backoff(waits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error('labd is stopping'));
    const left = [...this.#queue.splice(0), ...this.#aside.splice(0)];
    for (const { bytes } of left) this.queuedBytes -= bytes;
    settle(left, { status: 'retry', retryAfterMs: fullRetryMs });
    await Promise.all(this.#posts);
  }
}

const serversOf = (group: readonly Waiting[]) => group.map(({ batch }) => batch.serverId);
const linesOf = (group: readonly Waiting[]) => group.reduce((sum, { batch }) => sum + batch.lines.length, 0);

function settle(group: readonly Waiting[], outcome: Outcome): void {
  for (const { resolve } of group) resolve(outcome);
}
