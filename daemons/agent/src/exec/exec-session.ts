/**
 * One command with all who follow it: the opener, and whoever attached. It lives
 *
 *     running ─► process over ─► outputs drained ─► EXIT known ─► every follower has it
 *
 * and outlives its followers when it was detached, by OPEN or by a client that closed its channel as `ok`; else it is
 * hung up when the last one has gone (EX-4, EX-5, EX-7, EX-8). A cut is no going: the channel is the same after it, and until then its full window holds the command back.
 */
import type { Channel } from '@labmesh/link/channel';
import type { SignalName } from '@labmesh/wire/frame/frame-types';
import type { Exit } from '@labmesh/wire/frame/messages';
import type { OpenOf } from '@labmesh/wire/frame/open';
import { type Answer, Refused, type SessionRun } from '../session-run.ts';
import type { ExecWorld } from './exec-world.ts';
import { Output } from './output.ts';
import type { OutputSource, ProcessEnd, Spawned } from './process/spawned.ts';
import { startCommand } from './process/start.ts';
import { Tally } from './tally.ts';

type CommandWords = Parameters<typeof startCommand>[1];

/** Between HUP and TERM. */
const hangUpMs = 1_000;
/** What a killed child left behind may take to let go of its pipe. */
const letGoMs = 200;
/** One for all: the runtime's own reason takes a stack each time. */
const over = new Error('over');
const nextTurn = (): Promise<false> => new Promise((resolve) => setImmediate(() => resolve(false)));

export class ExecSession implements SessionRun {
  readonly answer: Answer = {};
  readonly #open: OpenOf<'exec'>;
  readonly #command: CommandWords;
  readonly #world: ExecWorld;
  readonly #output = new Output();
  readonly #tally = new Tally();
  /** Aborted when EXIT is known. */
  readonly #over = new AbortController();
  /** Aborted when outputs that are still held are not worth waiting for. */
  readonly #givenUp = new AbortController();
  /** When the reading of each open output began; undefined while it is held back. */
  readonly #readSince = new Map<OutputSource, number | undefined>();
  #spawned: Spawned | undefined;
  #leaf: string | undefined;
  #clients = new Set<Channel>();
  #deserted: AbortController | undefined;
  #isDetached: boolean;
  #timedOut = false;
  #isKilled = false;
  #exit: Exit | undefined;
  /** Whether somebody was given the end. */
  #isTold = false;
  #told = Promise.withResolvers<void>();

  constructor(open: OpenOf<'exec'>, command: CommandWords, world: ExecWorld) {
    this.#open = open;
    this.#isDetached = open.detach;
    this.#command = command;
    this.#world = world;
  }

  async run(channel: Channel): Promise<void> {
    try {
      this.#leaf = this.#open.session === undefined ? undefined : this.#world.cgroups?.make(this.#open.session);
      const started = startCommand(this.#open, this.#command, this.#leaf);
      if ('code' in started) this.#notStarted(started);
      else this.#spawned = started;
    } catch (error) {
      this.#dropLeaf();
      channel.close('spawn-failed', error instanceof Refused ? error.message : '');
      await channel.closed;
      return;
    }
    if (this.#spawned === undefined) this.#dropLeaf();
    const supervised = this.#spawned === undefined ? undefined : this.#supervise(this.#spawned);
    await this.serve(channel);
    await supervised;
    await this.#linger();
  }

  /** Kills it, whoever follows. */
  end(): void {
    this.#isKilled = true;
    void this.#hangUp();
  }

  /** True while an attach makes sense: it runs, or its end was told to nobody yet. */
  get isOpen(): boolean {
    return this.#exit === undefined || !this.#isTold;
  }
  get dropped(): number {
    return this.#output.dropped;
  }

  /** Takes `channel` as a follower, from the oldest byte kept to the end. Resolves when the channel is over. */
  async serve(channel: Channel, onSize?: { cols: number; rows: number }): Promise<void> {
    this.#clients.add(channel);
    this.#deserted?.abort();
    channel.handle({
      data: (stream, bytes) => (stream === 0 ? this.#input(bytes) : undefined),
      eof: () => this.#spawned?.endInput(),
      signal: (name) => this.#spawned?.signal(name),
      resize: (cols, rows) => this.#spawned?.resize(cols, rows),
    });
    if (onSize !== undefined) this.#spawned?.resize(onSize.cols, onSize.rows);
    const left = await this.#output.follow(channel);
    // A client that leaves in peace (Enter ~d) wants it to go on.
    if (left?.reason === 'ok') this.#isDetached = true;
    if (left === undefined && this.#exit !== undefined) {
      channel.end(1);
      channel.end(2);
      channel.sendExit(this.#exit);
      channel.close('ok');
      const ending = await channel.closed;
      this.#isTold ||= ending.reason === 'ok';
    }
    this.#clients.delete(channel);
    if (this.#isTold) this.#told.resolve();
    if (this.#clients.size === 0 && this.#exit === undefined) void this.#whenDeserted();
  }

  #input(bytes: Uint8Array): Promise<void> | undefined {
    // The sums are told already, and nobody is left to read it.
    if (this.#exit !== undefined) return undefined;
    this.#tally.add(0, bytes);
    return this.#spawned?.write(bytes);
  }

  #dropLeaf(): void {
    if (this.#leaf !== undefined) void this.#world.cgroups?.remove(this.#leaf);
  }

  #notStarted(failed: { code: number; text: string }): void {
    const text = new TextEncoder().encode(failed.text);
    const stream = this.#open.tty === null ? 2 : 1;
    this.#tally.add(stream, text);
    void this.#output.append(stream, text);
    this.#finish({ code: failed.code, signal: null }, true);
  }

  #finish(end: ProcessEnd, drained: boolean): void {
    const timedOut = this.#timedOut;
    // The runtime does not tell whether a core was written.
    this.#exit = { ...end, core: false, timedOut, drained, ...this.#tally.sums() };
    this.#over.abort(over);
    this.#output.finish();
  }

  async #supervise(spawned: Spawned): Promise<void> {
    const pumps = Promise.all(spawned.outputs.map((output) => this.#pump(output)));
    void this.#watchTimeout();
    const end = await spawned.exited;
    const drained = await this.#isDrained(pumps);
    if (!drained) {
      // Killed first: what they wrote last is still read then.
      await this.#killRest(spawned);
      await Promise.race([pumps, this.#world.clock.sleep(letGoMs)]);
      for (const output of spawned.outputs) output.close();
      await pumps;
    }
    this.#finish(end, drained);
    if (drained) await this.#killRest(spawned);
    spawned.dispose();
  }

  async #pump(output: OutputSource): Promise<void> {
    for (;;) {
      this.#readSince.set(output, this.#world.clock.now());
      const bytes = await output.read();
      if (bytes === undefined) break;
      this.#readSince.set(output, undefined);
      this.#tally.add(output.stream, bytes);
      await this.#output.append(output.stream, bytes);
    }
    this.#readSince.delete(output);
  }

  /** EX-4: true at the end of all outputs; false after `drainMs` in which nobody wrote to those that are still held. */
  async #isDrained(pumps: Promise<unknown>): Promise<boolean> {
    const { clock, options } = this.#world;
    const exitedAt = clock.now();
    const whole = pumps.then(() => true);
    // Nearly always they ended with the process: no timers for those.
    if (await Promise.race([whole, nextTurn()])) return true;
    while (!this.#givenUp.signal.aborted) {
      const now = clock.now();
      // What is held back by its reader is not silent. What came before the exit may still lie in the pipe.
      const silentMs = Math.min(...[...this.#readSince.values()].map((at) => now - Math.max(at ?? now, exitedAt)));
      if (silentMs >= options.drainMs && silentMs !== Infinity) return false;
      const waited = new AbortController();
      const signal = AbortSignal.any([waited.signal, this.#givenUp.signal]);
      const leftMs = options.drainMs - (silentMs === Infinity ? 0 : silentMs);
      const isWhole = await Promise.race([whole, this.#sleep(leftMs, signal).then(() => false)]);
      waited.abort(over);
      if (isWhole) return true;
    }
    return false;
  }

  async #killRest(spawned: Spawned): Promise<void> {
    const keeps = this.#open.keepChildren && !this.#isKilled;
    if (this.#leaf !== undefined) {
      await (keeps ? this.#world.cgroups?.remove(this.#leaf) : this.#world.cgroups?.kill(this.#leaf));
    }
    if (!keeps) await spawned.signalAll('KILL');
  }

  async #watchTimeout(): Promise<void> {
    if (this.#open.timeoutMs === undefined) return;
    if (!(await this.#sleep(this.#open.timeoutMs))) return;
    this.#timedOut = true;
    await this.#escalate([['TERM', this.#world.options.killAfterMs]]);
  }

  async #hangUp(): Promise<void> {
    await this.#escalate([
      ['HUP', hangUpMs],
      ['TERM', this.#world.options.killAfterMs],
    ]);
  }

  /** Signals with the wait after each, then KILL; stops when all is over. */
  async #escalate(steps: readonly [SignalName, number][]): Promise<void> {
    for (const [name, waitMs] of steps) {
      await this.#spawned?.signalAll(name);
      // Stopped jobs take their signals only when they run.
      await this.#spawned?.signalAll('CONT');
      if (!(await this.#sleep(waitMs))) return;
    }
    await this.#spawned?.signalAll('KILL');
    // A child that left the group may write for ever; its pipe is not waited for.
    if (await this.#sleep(this.#world.options.drainMs)) this.#givenUp.abort();
  }

  /** False: all was over before, or `signal` was aborted. */
  #sleep(ms: number, signal: AbortSignal = this.#over.signal): Promise<boolean> {
    return this.#world.clock.sleep(ms, signal).then(
      () => true,
      () => false,
    );
  }

  /** Nobody follows any more. */
  async #whenDeserted(): Promise<void> {
    if (!this.#isDetached) return this.#hangUp();
    this.#deserted = new AbortController();
    const signal = AbortSignal.any([this.#deserted.signal, this.#over.signal]);
    if (await this.#sleep(this.#world.options.detachedTtlMs, signal)) await this.#hangUp();
  }

  /** The end of a detached command waits for whoever attaches next. */
  async #linger(): Promise<void> {
    if (!this.#isDetached || this.#isTold || this.#isKilled) return;
    const waited = new AbortController();
    const { clock, options } = this.#world;
    const over = clock.sleep(options.orphanTtlMs, waited.signal).catch(() => {});
    await Promise.race([this.#told.promise, over]);
    waited.abort(over);
  }
}
