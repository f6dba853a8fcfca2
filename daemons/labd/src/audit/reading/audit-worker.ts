/**
 * The thread that reads the audit log (ST-5): its own connection, which only reads, and keys lent by the main thread.
 * Jobs run side by side, each with a turn of this thread's loop after a page. An entry point of its own in the
 * single-file program.
 */
import { openReadStore } from '@labmesh/store/open-store';
import type { Store } from '@labmesh/store/store';
import { carriedError, carryError } from './carried-error.ts';
import { LentKeys } from './lent-keys.ts';
import { LocalReader } from './local-reader.ts';
import type { AuditJob, FromAuditThread, ToAuditThread } from './thread-messages.ts';

declare const self: Worker;

const tell = (message: FromAuditThread, buffers: ArrayBuffer[] = []) => self.postMessage(message, buffers);

const keys = new LentKeys(() => tell({ kind: 'reload' }));
const running = new Map<number, AbortController>();
let databaseUrl = '';
let store: Promise<Store> | undefined;

/** Opened by the first job that can. */
function opened(): Promise<Store> {
  if (store !== undefined) return store;
  const opening = openReadStore(databaseUrl);
  store = opening;
  opening.catch(() => {
    store = undefined;
  });
  return opening;
}

async function work(job: AuditJob, signal: AbortSignal): Promise<{ result: unknown; buffers: ArrayBuffer[] }> {
  const reader = new LocalReader({ store: await opened(), keys });
  if (job.kind === 'verify') return { result: await reader.verify(job.request, signal), buffers: [] };
  if (job.kind === 'verify-chain') return { result: await reader.verifyChain(job.chain, job.to, signal), buffers: [] };
  const part = await reader.exportPart(job.principal, job.query, signal);
  // The bytes move; nothing else stands in their buffer.
  return { result: part, buffers: [part.bytes.buffer as ArrayBuffer] };
}

async function run(jobId: number, job: AuditJob): Promise<void> {
  const ending = new AbortController();
  running.set(jobId, ending);
  try {
    const { result, buffers } = await work(job, ending.signal);
    tell({ kind: 'done', jobId, result }, buffers);
  } catch (error) {
    tell({ kind: 'failed', jobId, error: carryError(error) });
  } finally {
    running.delete(jobId);
  }
}

async function end(): Promise<void> {
  for (const one of running.values()) one.abort();
  await store?.then((one) => one[Symbol.asyncDispose]()).catch(() => {});
  tell({ kind: 'ended' });
}

self.addEventListener('message', ({ data }: MessageEvent<ToAuditThread>) => {
  if (data.kind === 'open') databaseUrl = data.databaseUrl;
  else if (data.kind === 'keys') keys.take(data.keys);
  else if (data.kind === 'job') void run(data.jobId, data.job);
  else if (data.kind === 'cancel') running.get(data.jobId)?.abort();
  else if (data.kind === 'reloaded') keys.reloaded(data.keys);
  else if (data.kind === 'not-reloaded') keys.notReloaded(carriedError(data.error));
  else void end();
});
