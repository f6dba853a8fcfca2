/**
 * Where agents hand in their logs (AG-7). At most one batch an agent is here at a time, and `done` is said only once the
 * collector has it: whatever happens to labd meanwhile, the agent sends it again, here or to another replica.
 */
import type { LogAck, logBatchSchema, ShippingReport } from '@labmesh/wire/frame/log-batch';
import type { z } from 'zod';
import type { LogForwarder, Outcome } from './log-forwarder.ts';
import { readBatch } from './read-batch.ts';

/** What the desk knows of an agent, by its certificate. */
export type ShippingAgent = {
  readonly agentId: string;
  readonly serverId: string;
  readonly hostname: string;
  readonly version: string;
  readonly link: { sendMsg(msg: LogAck): boolean };
};
type Here = { id: string; link: ShippingAgent['link'] };
type LogBatch = z.infer<typeof logBatchSchema>;

export type DeskParts = {
  /** Undefined: there is no collector. */
  forwarder: LogForwarder | undefined;
  /** Unix ms. */
  wall: () => number;
};

/** An agent that sends another batch before the answer to the last. */
const busyRetryMs = 1_000;
const later = (): Outcome => ({ status: 'retry', retryAfterMs: busyRetryMs });

export class LogDesk {
  readonly #parts: DeskParts;
  /** Batches that are here, by agent, and the link that it came over last. */
  readonly #busy = new Map<string, Here>();
  readonly #reports = new Map<string, ShippingReport>();
  unreadable = 0;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  get isOn(): boolean {
    return this.#parts.forwarder !== undefined;
  }

  /**
   * A batch came. Answered by `log-ack`, at once or when the collector has answered. One that is here already gets no
   * answer of its own: the first one's goes over the link that it came over last.
   */
  take(agent: ShippingAgent, batch: LogBatch): void {
    const { agentId, link } = agent;
    const busy = this.#busy.get(agentId);
    if (busy?.id === batch.id) {
      busy.link = link;
      return;
    }
    const here = { id: batch.id, link };
    const answer = (outcome: Outcome) => here.link.sendMsg({ kind: 'log-ack', id: batch.id, ...outcome });
    const outcome = busy === undefined ? this.#outcome(agent, batch, here) : later();
    void Promise.resolve(outcome).then(answer, () => answer(later()));
  }

  async #outcome(agent: ShippingAgent, { id, lines, readAt }: LogBatch, here: Here): Promise<Outcome> {
    const { forwarder, wall } = this.#parts;
    if (forwarder === undefined) return { status: 'off' };
    const { agentId, serverId, hostname, version } = agent;
    const turnedAway = forwarder.turnAway(serverId);
    if (turnedAway !== undefined) return turnedAway;
    const read = readBatch(lines);
    if (read === undefined) {
      this.unreadable++;
      return { status: 'refused' };
    }
    this.#busy.set(agentId, here);
    try {
      return await forwarder.forward({ id, serverId, hostname, version, readAt: readAt ?? wall(), lines: read });
    } finally {
      this.#busy.delete(agentId);
    }
  }

  /** A heartbeat said how it goes there; nothing where nothing is shipped. */
  heard(agentId: string, report: ShippingReport | undefined): void {
    if (report !== undefined) this.#reports.set(agentId, report);
  }
  /** The agent is not connected here any more. */
  left(agentId: string): void {
    this.#reports.delete(agentId);
  }

  /** Over the agents connected here. */
  get reported(): ShippingReport {
    const sum = { spooledBytes: 0, shippedLines: 0, droppedLines: 0 };
    for (const report of this.#reports.values())
      for (const key of Object.keys(sum) as (keyof ShippingReport)[]) sum[key] += report[key];
    return sum;
  }
}
