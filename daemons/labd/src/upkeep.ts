/** The work that labd does by the clock (architecture rule 6): each job is idempotent, may run on every replica, and never rejects. */
import { takeLease } from '@labmesh/store/lease';
import { Checkpoints } from './audit/checkpoints.ts';
import { pruneAudit } from './audit/prune-audit.ts';
import { AuditSinks } from './audit/sinks/audit-sinks.ts';
import { ExpiryWatch } from './ca/expiry-watch.ts';
import type { Core, CoreParts } from './core.ts';
import type { Ground } from './settings/ground.ts';
import type { LabdOptions } from './settings/labd-options.ts';
import type { World } from './settings/world.ts';
import { pruneRecordings, settleParts } from './recordings/settle-parts.ts';

type Job = { name: string; everyMs: number; run: (signal: AbortSignal) => Promise<unknown> };

export type UpkeepParts = {
  core: Core;
  options: LabdOptions;
  ground: Ground;
  metrics: CoreParts['metrics'];
  clock: World['clock'];
  log: World['log'];
};

const hourMs = 3_600_000;
const leaseMs = 30_000;
const archiveEveryMs = 10_000;
/** What ends soon is known this soon, here and in the metric. */
const expiryEveryMs = 300_000;

function jobs({ core, options, ground, metrics, clock, log }: UpkeepParts): Job[] {
  const { store, secrets, recorder, archive, people, nodes, events, authority, audit, auditReader } = core;
  const holds = (name: string) => takeLease(store, name, ground.replicaId, leaseMs);
  const expiry = new ExpiryWatch({
    authority,
    metrics,
    clock,
    onExpiring: ({ id, kind, name, notAfter }) =>
      events.emit('cert-expiring', 'certificate', id, { kind, name, notAfter }),
  });
  return [
    {
      name: 'secrets',
      everyMs: 5_000,
      run: async () => {
        for (let step = 0; step < 1_000 && (await secrets.advance()); step++);
      },
    },
    {
      name: 'recordings',
      everyMs: hourMs,
      run: async () => {
        const { folder } = recorder;
        const { replicaId } = ground;
        await settleParts({ store, secrets, folder, replicaId, clock, isActive: (id) => recorder.isActive(id) });
        await pruneRecordings({
          store,
          folder,
          archive,
          clock,
          rows: await holds('prune-recordings'),
          retentionMs: options.recordRetentionMs,
        });
      },
    },
    { name: 'recording-archive', everyMs: archiveEveryMs, run: async (signal) => archive?.move(signal) },
    { name: 'node-keys', everyMs: hourMs, run: () => nodes.sweepKeys() },
    {
      name: 'prune',
      everyMs: hourMs,
      run: async (signal) => {
        if (!(await holds('prune'))) return;
        await people.logins.prune();
        await events.prune();
        const pruning = { store, keys: audit.keys, reader: auditReader, clock, log };
        await pruneAudit(pruning, options.auditRetentionMs, signal);
      },
    },
    {
      name: 'expiry',
      everyMs: expiryEveryMs,
      run: async () => expiry.look(await holds('expiry')),
    },
  ];
}

/** Starts the jobs; they end with the stack. */
export function startUpkeep(parts: UpkeepParts, stack: AsyncDisposableStack): void {
  const { core, options, ground, metrics, clock, log } = parts;
  const { store, audit, events } = core;
  const onAlarm = (name: string, isBehind: boolean) => events.emit('audit-sink-late', 'sink', name, { isBehind });
  const sinkParts = { store, own: ground.replicaId, metrics, clock, log, onAlarm };
  stack.use(AuditSinks.start(sinkParts, options.auditSinks));
  stack.use(Checkpoints.start({ store, audit, clock, log }, options.auditCheckpointEveryMs));
  const ending = new AbortController();
  const loop = async ({ name, everyMs, run }: Job) => {
    while (!ending.signal.aborted) {
      await run(ending.signal).catch((error: unknown) => {
        // What the end cut short is no failure: the next start takes it up.
        if (!ending.signal.aborted) log.warn('a job failed; tried again', { job: name, error });
      });
      await clock.sleep(everyMs, ending.signal).catch(() => undefined);
    }
  };
  const running = jobs(parts).map(loop);
  stack.defer(async () => {
    ending.abort(new Error('stopping'));
    await Promise.all(running);
  });
}
