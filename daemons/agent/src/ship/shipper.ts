/**
 * Log shipping (AG-7): off unless the settings say so, and while labd says that it has no collector.
 *
 *     files, journal ─▶ batcher ─▶ spool (disk) ─▶ sender ─▶ labd ─▶ collector
 *                                     ▲                │
 *                                     └──── done ◀─────┘
 *
 * While labd is away all of it goes on into the spool. While batches get through, sources are read no faster than that:
 * a burst of lines is safe in its file, and must not push others out of the spool. Nor must one file's lines at any time:
 * of several sources, a file that has its share of the spool waits where it is.
 */
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { LogAck, ShippingReport } from '@labmesh/wire/frame/log-batch';
import type { AgentOptions } from '../agent-options.ts';
import { Batcher } from './batcher.ts';
import { Sender, type SenderParts } from './sender.ts';
import { fileSource, followSource, journalSource, type ShipSource } from './ship-source.ts';
import { SourceShares } from './source-shares.ts';
import { memoryBytesMax, Spool } from './spool/spool.ts';

export type ShipperParts = {
  options: Pick<AgentOptions, 'shipEnabled' | 'shipFiles' | 'shipUnits' | 'spoolMax' | 'logPaths' | 'stateDir'>;
  send: SenderParts['send'];
  clock: Clock;
  log: Logger;
  journalctl?: readonly string[];
};

export type ShippingStatus = ShippingReport & { state: 'on' | 'off' | 'waiting' };

/** More than this, or half of the spool, waits only when it does not get through. */
const calmBytesMost = 4 * 1024 * 1024;
const flowMs = 30_000;
const calmWaitMs = 100;

export class Shipper {
  readonly #parts: ShipperParts;
  readonly #log: Logger;
  readonly #sources: readonly ShipSource[];
  #spool: Spool | undefined;
  #sender: Sender | undefined;
  #batcher: Batcher | undefined;
  #shares: SourceShares | undefined;
  /** Where each source is, with lines that are not in the spool yet. */
  readonly #places = new Map<string, string>();
  #isLinked = false;
  /** labd told that it has no collector. Not known before the first connection: then all is kept. */
  #isOff = false;
  #isOffTold = false;
  #reading: AbortController | undefined;
  #turned: () => void = () => {};

  constructor(parts: ShipperParts) {
    this.#parts = parts;
    this.#log = parts.log.child({ part: 'ship' });
    const { shipFiles, shipUnits, logPaths } = parts.options;
    const world = { logPaths, clock: parts.clock, journalctl: parts.journalctl ?? ['journalctl'] };
    this.#sources = [
      ...shipFiles.map((file) => fileSource(file, world)),
      ...(shipUnits.length === 0 ? [] : [journalSource(shipUnits, world)]),
    ];
  }

  /** Undefined where the settings ship nothing. */
  get report(): ShippingReport | undefined {
    const spool = this.#spool;
    if (spool === undefined) return undefined;
    return { spooledBytes: spool.bytes, shippedLines: spool.shippedLines, droppedLines: spool.droppedLines };
  }
  get status(): ShippingStatus | undefined {
    const { report } = this;
    if (report === undefined) return undefined;
    return { state: this.#isOff ? 'off' : this.#isLinked ? 'on' : 'waiting', ...report };
  }

  /** HELLO_OK came. */
  linked(shipsLogs: boolean): void {
    this.#isLinked = true;
    this.#setOff(!shipsLogs);
  }
  /** The link is gone. */
  unlinked(): void {
    this.#isLinked = false;
    this.#sender?.turn(false);
  }
  answered(ack: LogAck): void {
    this.#sender?.answered(ack);
  }

  #setOff(isOff: boolean): void {
    this.#isOff = isOff;
    // Settings that ship nothing have no spool, and need no word.
    if (this.#spool === undefined) return;
    if (isOff && !this.#isOffTold)
      this.#log.warn('logs are not shipped: labd has no collector (telemetry.otlp_url); they stay where they are');
    this.#isOffTold = isOff;
    this.#sender?.turn(this.#isLinked && !isOff);
    // What was read, and is not in the spool yet, goes there.
    if (isOff) this.#reading?.abort();
    this.#turned();
  }

  /** Until the signal. Never rejects: what goes wrong with logs must not end the agent. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.#parts.options.shipEnabled) return;
    await this.#run(signal).catch((error: unknown) => {
      this.#log.error('log shipping failed in a way nobody foresaw, and stays off until a restart', { error });
    });
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { options, send, clock } = this.#parts;
    const folder = join(options.stateDir, 'spool');
    const spool = await Spool.open({ folder, bytesMax: options.spoolMax, log: this.#log }).catch((error: unknown) => {
      this.#log.error('logs are not shipped: the spool cannot be opened', { error });
    });
    if (spool === undefined) return;
    this.#spool = spool;
    this.#sender = new Sender({ spool, send, onOff: () => this.#setOff(true), clock, log: this.#log });
    const shares = new SourceShares(this.#bytesMax, this.#sources.length, spool.bytes);
    this.#shares = shares;
    this.#batcher = new Batcher(
      (batch) =>
        spool.append(batch).then(() => {
          shares.appended(batch);
          this.#sender?.nudge();
        }),
      () => clock.wall(),
    );
    this.#setOff(this.#isOff);
    await this.#begin(spool, signal);
    await Promise.all([this.#sender.run(signal), this.#read(signal)]);
    await this.#batcher.flush();
    await spool.close();
  }

  /** Where a source begins is written down at once: else what comes before its first batch was lost with a restart. */
  async #begin(spool: Spool, signal: AbortSignal): Promise<void> {
    for (const source of this.#sources) {
      const place = spool.placeOf(source.key) ?? (await source.begin().catch(() => undefined));
      if (place !== undefined) this.#places.set(source.key, place);
    }
    if (signal.aborted) return;
    await spool.begin(Object.fromEntries(this.#places)).catch((error: unknown) => {
      this.#log.warn('the places in the logs cannot be written down', { error });
    });
  }

  /** All sources, while labd does not say that it has no use for them. */
  async #read(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const turned = new Promise<void>((resolve) => (this.#turned = resolve));
      const reading = new AbortController();
      this.#reading = reading;
      const either = AbortSignal.any([signal, reading.signal]);
      either.addEventListener('abort', () => this.#turned(), { once: true });
      if (signal.aborted) return;
      if (this.#isOff) await turned;
      else await Promise.all(this.#sources.map((source) => this.#follow(source, either)));
    }
  }

  #follow(source: ShipSource, signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    const take = async (...[line, place]: [Parameters<Batcher['add']>[0], string | undefined]) => {
      while ((this.#isTooFast() || this.#hasItsShare(source)) && !signal.aborted)
        await clock.sleep(calmWaitMs, signal).catch(() => undefined);
      await this.#batcher?.add(line, source.key, place);
      if (place !== undefined) this.#places.set(source.key, place);
    };
    return followSource(source, { place: () => this.#places.get(source.key), take, clock, log: this.#log }, signal);
  }

  get #bytesMax(): number {
    const { spoolMax } = this.#parts.options;
    return spoolMax === 0 ? memoryBytesMax : spoolMax;
  }

  #isTooFast(): boolean {
    const calmBytes = Math.min(calmBytesMost, this.#bytesMax / 2);
    return (this.#spool?.bytes ?? 0) > calmBytes && this.#sender?.hasFlowed(flowMs) === true;
  }

  /** The journal does not wait: all units come by one reader, and it forgets. */
  #hasItsShare({ key, file }: ShipSource): boolean {
    return file !== undefined && this.#shares?.isSpent(key, this.#spool?.bytes ?? 0) === true;
  }
}
