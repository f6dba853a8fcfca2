/**
 * The main thread's side of the thread that reads the audit log. It starts with the first job and ends when there was
 * none for a while; if it is lost its jobs are told INTERNAL, and the next one starts another.
 *
 *     verify, export ─▶ bound ─▶ postMessage ─▶ audit-worker.ts ─▶ own connection ─▶ pages of 500 rows
 */
import type { Logger } from '@labmesh/kit/log';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import type { Principal } from '@labmesh/wire/fleet/principal';
import type { AuditKeys } from '../audit-keys.ts';
import type { ExportQuery } from '../audit-query.ts';
import type { ChainReport, VerifyReport, VerifyRequest } from '../verify/verify-chain.ts';
import type { AuditReader, ExportPart } from './audit-reader.ts';
import { carriedError, carryError } from './carried-error.ts';
import { nobodyWaits } from './local-reader.ts';
import type { AuditJob, FromAuditThread, ToAuditThread } from './thread-messages.ts';

/** Jobs at once: parts of exports, which take milliseconds each, and verifications. */
const jobsMax = 64;
/** They share one thread: more would only make each other late. */
const verificationsMax = 8;
const idleMs = 30_000;
/** How long the thread may take to close its connection. */
const endMs = 5_000;

/** In the single-file program the worker is an entry point of its own, under the repository's path. */
const workerUrl = import.meta.dir.startsWith('/$bunfs/')
  ? '/$bunfs/root/daemons/labd/src/audit/reading/audit-worker.js'
  : new URL('./audit-worker.ts', import.meta.url).href;

export type AuditThreadParts = {
  databaseUrl: string;
  keys: AuditKeys;
  log: Logger;
  /** Shorter in tests. */
  idleMs?: number;
};

type Pending = { job: AuditJob; settle: PromiseWithResolvers<unknown> };
type Thread = { worker: Worker; ended: PromiseWithResolvers<void> };

export class AuditThread implements AuditReader {
  readonly #parts: AuditThreadParts;
  readonly #pending = new Map<number, Pending>();
  #thread: Thread | undefined;
  #lastJob = 0;
  #idle: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(parts: AuditThreadParts) {
    this.#parts = parts;
  }

  verify = (request: VerifyRequest, signal: AbortSignal) =>
    this.#ask({ kind: 'verify', request }, signal) as Promise<VerifyReport>;

  verifyChain = (chain: string, to: number, signal: AbortSignal) =>
    this.#ask({ kind: 'verify-chain', chain, to }, signal) as Promise<ChainReport>;

  exportPart = (principal: Principal, query: ExportQuery, signal: AbortSignal) =>
    this.#ask({ kind: 'export', principal, query }, signal) as Promise<ExportPart>;

  /** Whether the thread runs now. */
  isRunning(): boolean {
    return this.#thread !== undefined;
  }

  async #ask(job: AuditJob, signal: AbortSignal): Promise<unknown> {
    if (this.#isClosed) throw new FleetError('SHUTTING_DOWN');
    if (signal.aborted) throw nobodyWaits();
    this.#assertRoom(job);
    clearTimeout(this.#idle);
    this.#thread ??= this.#start();
    const jobId = ++this.#lastJob;
    const settle = Promise.withResolvers<unknown>();
    this.#pending.set(jobId, { job, settle });
    const cancel = () => {
      this.#post({ kind: 'cancel', jobId });
      settle.reject(nobodyWaits());
    };
    signal.addEventListener('abort', cancel, { once: true });
    if (job.kind !== 'export') this.#post({ kind: 'keys', keys: this.#parts.keys.shared() });
    this.#post({ kind: 'job', jobId, job });
    try {
      return await settle.promise;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** A cancelled job counts until the thread has let go of it. */
  #assertRoom({ kind }: AuditJob): void {
    const verifications = [...this.#pending.values()].filter(({ job }) => job.kind !== 'export').length;
    if (this.#pending.size < jobsMax && (kind === 'export' || verifications < verificationsMax)) return;
    throw new FleetError('RATE_LIMITED', { message: 'too many read the audit log at once' });
  }

  #post(message: ToAuditThread): void {
    this.#thread?.worker.postMessage(message, []);
  }

  #start(): Thread {
    const thread: Thread = { worker: new Worker(workerUrl), ended: Promise.withResolvers() };
    const { worker } = thread;
    worker.addEventListener('message', ({ data }: MessageEvent<FromAuditThread>) => this.#hear(thread, data));
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      this.#lost(thread, event.message);
    });
    worker.addEventListener('close', () => this.#lost(thread, 'ended'));
    // Who waits for an answer keeps the process alive, not the thread.
    worker.unref();
    worker.postMessage({ kind: 'open', databaseUrl: this.#parts.databaseUrl } satisfies ToAuditThread, []);
    return thread;
  }

  #hear(thread: Thread, message: FromAuditThread): void {
    if (message.kind === 'ended') {
      thread.ended.resolve();
      thread.worker.terminate();
    } else if (message.kind === 'reload') void this.#reload();
    else {
      const pending = this.#pending.get(message.jobId);
      this.#pending.delete(message.jobId);
      if (message.kind === 'done') pending?.settle.resolve(message.result);
      else pending?.settle.reject(carriedError(message.error));
      if (this.#pending.size === 0) this.#rest();
    }
  }

  async #reload(): Promise<void> {
    const { keys } = this.#parts;
    try {
      await keys.reload();
      this.#post({ kind: 'reloaded', keys: keys.shared() });
    } catch (error) {
      this.#post({ kind: 'not-reloaded', error: carryError(error) });
    }
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#end(), this.#parts.idleMs ?? idleMs);
    this.#idle.unref();
  }

  #lost(thread: Thread, why: string): void {
    thread.ended.resolve();
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    thread.worker.terminate();
    this.#parts.log.error('the thread that reads the audit log ended', { why, jobs: this.#pending.size });
    this.#fail(() => new FleetError('INTERNAL', { log: `the audit thread ended: ${why}` }));
  }

  #fail(why: () => FleetError): void {
    for (const { settle } of this.#pending.values()) settle.reject(why());
    this.#pending.clear();
  }

  /** Lets the thread close its connection before it goes. */
  async #end(): Promise<void> {
    clearTimeout(this.#idle);
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#post({ kind: 'end' });
    this.#thread = undefined;
    const late = setTimeout(() => thread.ended.resolve(), endMs);
    await thread.ended.promise;
    clearTimeout(late);
    thread.worker.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#fail(() => new FleetError('SHUTTING_DOWN'));
    await this.#end();
  }
}
