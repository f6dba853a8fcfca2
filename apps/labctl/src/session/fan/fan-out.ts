/**
 * One command on many servers: each its own session with its own credits, `batch` of them at a time (FO-2).
 *
 *     targets ─► offline: told at once
 *            └─► queue ─► open ─► output … EXIT ─► result     too many failures or Ctrl-C: the queue stays as it is
 *
 * A refusal because of labd's own limits is no failure: the target waits and asks again.
 */
import type { Clock } from '@labmesh/kit/clock';
import { ChannelClosed } from '@labmesh/link/channel';
import type { ResolvedServers } from '@labmesh/wire/fleet/resources/servers';
import type { Open } from '@labmesh/wire/frame/open';
import { ago } from '../../terminal/span.ts';
import type { OpenExec } from '../exec-plan.ts';
import type { KeptChannel } from '../kept-channel.ts';
import { OutputGone } from '../session-io.ts';
import type { FanOutput } from './fan-output.ts';
import { resultOfEnding, resultOfExit, type TargetResult } from './fan-result.ts';

export type FanTarget = ResolvedServers['targets'][number];

export type FanParts = {
  open: (open: Open, signal: AbortSignal) => Promise<KeptChannel>;
  output: FanOutput;
  clock: Clock;
  /** In [0, 1). */
  random?: () => number;
};

export type FanPlan = {
  targets: readonly FanTarget[];
  exec: OpenExec;
  /** Sessions at a time. */
  batch: number;
  /** More failures than this stop new starts. */
  failuresMax: number;
};

/** Both outputs of a server together hold at most the window of one session (FO-3). */
const windowBytes = 128 * 1024;
/** How long a target asks again when labd has too many sessions, and how often. */
const limitMs = 120_000;
const limitRetryMs = { least: 1_000, spread: 2_000 };

const waiting = new Set<FanTarget['status']>(['online', 'suspect']);

export class FanOut {
  readonly #plan: FanPlan;
  readonly #parts: FanParts;
  readonly #live = new Set<KeptChannel>();
  readonly #results: TargetResult[] = [];
  readonly #stop = new AbortController();
  readonly #cancel = new AbortController();
  #failures = 0;
  #isInterrupted = false;
  #gone: OutputGone | undefined;

  constructor(plan: FanPlan, parts: FanParts) {
    this.#plan = plan;
    this.#parts = parts;
  }

  /** A result for each target, in the order they came about. @throws OutputGone */
  async run(): Promise<TargetResult[]> {
    const { targets, batch } = this.#plan;
    const isReady = ({ status }: FanTarget) => waiting.has(status);
    for (const target of targets) if (!isReady(target)) await this.#end(this.#offline(target));
    const queue = targets.filter(isReady).values();
    const worker = async () => {
      for (const target of queue) {
        if (this.#stop.signal.aborted) {
          await this.#end({ server: target.hostname, state: 'not-started' });
          continue;
        }
        await this.#end(await this.#one(target));
      }
    };
    await Promise.all(Array.from({ length: Math.min(batch, targets.length) }, worker));
    if (this.#gone !== undefined) throw this.#gone;
    await this.#parts.output.finish();
    return this.#results;
  }

  /** Ctrl-C: nothing more is started, and those that run get the signal. */
  interrupt(): void {
    this.#isInterrupted = true;
    this.#stop.abort();
    for (const channel of this.#live) channel.sendSignal('INT');
  }

  /** Ctrl-C again: all are ended. */
  cancel(): void {
    this.#stop.abort();
    this.#cancel.abort(new Error('cancelled'));
    for (const channel of this.#live) channel.close('cancelled');
  }

  #offline({ hostname, status, lastSeenAt }: FanTarget): TargetResult {
    const now = this.#parts.clock.wall();
    const seen = lastSeenAt === null ? 'never seen' : `last seen ${ago(lastSeenAt, now)}`;
    const why = status === 'offline' ? seen : `${status}, ${seen}`;
    return { server: hostname, state: 'unreachable', why, code: 'AGENT_NOT_CONNECTED' };
  }

  async #end(result: TargetResult): Promise<void> {
    this.#results.push(result);
    if (result.state !== 'ok' && result.state !== 'not-started') this.#failures++;
    if (this.#failures > this.#plan.failuresMax) this.#stop.abort();
    await this.#output(() => this.#parts.output.done(result));
  }

  /** Once our own output is gone there is nobody to work for. */
  async #output(show: () => Promise<void>): Promise<void> {
    try {
      await show();
    } catch (error) {
      if (!(error instanceof OutputGone)) throw error;
      this.#gone ??= error;
      this.cancel();
    }
  }

  async #one(target: FanTarget): Promise<TargetResult> {
    const { hostname } = target;
    const { clock } = this.#parts;
    let channel: KeptChannel;
    try {
      channel = await this.#open(target);
    } catch (error) {
      if (this.#cancel.signal.aborted) return { server: hostname, state: 'not-started' };
      if (error instanceof ChannelClosed) return resultOfEnding(hostname, undefined, error.ending, clock.wall());
      // There is no way to labd any more: the others would only wait for the same.
      this.#stop.abort();
      const why = error instanceof Error ? error.message : String(error);
      return { server: hostname, state: 'error', why, code: 'LINK_LOST' };
    }
    return this.#follow(hostname, channel);
  }

  async #open({ id }: FanTarget): Promise<KeptChannel> {
    const { open, clock, random = Math.random } = this.#parts;
    const until = clock.now() + limitMs;
    for (;;) {
      try {
        return await open({ ...this.#plan.exec, server: id, window: windowBytes }, this.#cancel.signal);
      } catch (error) {
        const isBusy = error instanceof ChannelClosed && error.ending.reason === 'limit';
        if (!isBusy || clock.now() >= until || this.#stop.signal.aborted) throw error;
        await clock.sleep(limitRetryMs.least + random() * limitRetryMs.spread, this.#cancel.signal);
      }
    }
  }

  async #follow(server: string, channel: KeptChannel): Promise<TargetResult> {
    const { output, clock } = this.#parts;
    let exit: Parameters<typeof resultOfExit>[2] | undefined;
    this.#live.add(channel);
    channel.end(0);
    channel.handle({
      data: (stream, bytes) => this.#output(() => output.data(server, stream === 2 ? 2 : 1, bytes)),
      exit: (told) => {
        exit = told;
      },
    });
    // Ctrl-C while it was being opened.
    if (this.#cancel.signal.aborted) channel.close('cancelled');
    else if (this.#isInterrupted) channel.sendSignal('INT');
    const ending = await channel.closed;
    this.#live.delete(channel);
    const { session } = channel;
    return exit === undefined
      ? resultOfEnding(server, session, ending, clock.wall())
      : resultOfExit(server, session, exit);
  }
}
