/**
 * Whether recordings can be written at this moment (EX-10). Sessions report what their writes do, and a probe writes a
 * file each 15 s (each second while it fails), so that a full disk is noticed with nobody at work and ends by itself.
 * Going either way is told once: the alarm is an event, not a stream of them.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { RecordingFolder } from './recording-folder.ts';

const probeBytes = 256 * 1024;
const probeEveryMs = { working: 15_000, failing: 1_000 };
/** While it fails, new sessions share a probe this young. */
const probeFreshMs = 250;

/** `why` is a code such as ENOSPC, without paths. */
export type RecorderAlarm = { type: 'recording-failing' | 'recording-recovered'; why: string };

export type RecorderHealthOptions = {
  folder: RecordingFolder;
  clock: Clock;
  log: Logger;
  onAlarm?: ((alarm: RecorderAlarm) => void) | undefined;
  onFailure?: () => void;
  /** A write that takes longer counts as failed, ms. */
  stallMs: number;
};

export const errorCode = (error: unknown): string => {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : 'unknown';
};

/** A write that has neither failed nor ended: a dead network disk. */
export class Stalled extends Error {
  readonly code = 'ESTALLED';
}

/** The work's result, or Stalled after `ms`; the work itself goes on. */
export function withinStall<T>(ms: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Stalled('the disk does not answer')), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

export class RecorderHealth implements AsyncDisposable {
  readonly #options: RecorderHealthOptions;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  #nudge = new AbortController();
  #failing = false;
  #probe: { at: number; done: Promise<void> } | undefined;

  constructor(options: RecorderHealthOptions) {
    this.#options = options;
    this.#watching = this.#watch();
  }

  get failing(): boolean {
    return this.#failing;
  }

  failed(error: unknown): void {
    this.#options.onFailure?.();
    if (this.#failing) return;
    this.#failing = true;
    this.#nudge.abort(new Error('failing'));
    const why = errorCode(error);
    this.#options.log.error('recordings cannot be written', { why });
    this.#options.onAlarm?.({ type: 'recording-failing', why });
  }

  /** @throws FleetError RECORDING_UNAVAILABLE while it fails, after having tried again. */
  async check(): Promise<void> {
    if (!this.#failing) return;
    await this.#probeNow();
    if (this.#failing) throw this.refusal();
  }

  refusal(cause?: unknown): FleetError {
    return new FleetError('RECORDING_UNAVAILABLE', {
      hint: 'labd cannot write recordings (see its log); `--no-record` needs the right exec-unrecorded',
      ...(cause !== undefined && { log: `recording: ${errorCode(cause)}`, cause }),
    });
  }

  #worked(): void {
    if (!this.#failing) return;
    this.#failing = false;
    this.#options.log.info('recordings can be written again');
    this.#options.onAlarm?.({ type: 'recording-recovered', why: '' });
  }

  /** Sets the state by one probe; callers at one time share it. */
  #probeNow(): Promise<void> {
    const now = this.#options.clock.now();
    if (this.#probe !== undefined && now - this.#probe.at < probeFreshMs) return this.#probe.done;
    const done = withinStall(this.#options.stallMs, this.#writeProbe()).then(
      () => this.#worked(),
      (error: unknown) => this.failed(error),
    );
    this.#probe = { at: now, done };
    return done;
  }

  async #writeProbe(): Promise<void> {
    const { path: folder } = this.#options.folder;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `.probe-${randomUUID()}`);
    try {
      const file = await open(path, 'wx', 0o600);
      try {
        await file.writeFile(new Uint8Array(probeBytes));
      } finally {
        await file.close();
      }
    } finally {
      await rm(path, { force: true });
    }
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const wasFailing = this.#failing;
      const wait = wasFailing ? probeEveryMs.failing : probeEveryMs.working;
      this.#nudge = new AbortController();
      await this.#options.clock.sleep(wait, AbortSignal.any([signal, this.#nudge.signal])).catch(() => {});
      // Woken because it began to fail: the probe can wait its second.
      if (!signal.aborted && wasFailing === this.#failing) await this.#probeNow();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('closed'));
    await this.#watching;
  }
}
