/** Health, version, replicas, events: what labd says about itself (AP-10, AP-11). */
import { arch, cpus, platform, totalmem } from 'node:os';
import { contractVersion } from '@labmesh/wire/contract-version';
import { timeText, timeTextOrNull } from '@labmesh/wire/fleet/resources/fields';
import { system } from '@labmesh/wire/fleet/principal';
import type { Store } from '@labmesh/store/store';
import type { AuditLog } from '../../audit/audit-log.ts';
import type { Authority } from '../../ca/authority.ts';
import type { RecordingArchive } from '../../recordings/archive/recording-archive.ts';
import type { AgentHub } from '../../hub/agent-hub.ts';
import type { Replicas } from '../../hub/replicas.ts';
import type { LoopDelay } from '../loop-delay.ts';
import { openapiDocument } from '../openapi.ts';
import { type ReadyChecks, type ReadyCheckParts, readyChecks } from '../ready-checks.ts';
import { type EventStreamParts, eventStream } from '../streams/event-stream.ts';
import type { HandlersOf } from '../handler.ts';

type Names =
  | 'get-healthz'
  | 'get-health'
  | 'get-live'
  | 'get-ready'
  | 'get-version'
  | 'get-openapi'
  | 'get-detailed-health'
  | 'get-system-info'
  | 'list-replicas'
  | 'stream-events';

export type SystemHandlerParts = {
  core: EventStreamParts & {
    store: Store;
    clock: ReadyCheckParts['clock'];
    audit: AuditLog;
    authority: Authority;
    hub: AgentHub;
    replicas: Replicas;
    limiter: { shared: boolean };
    recorder: { health: { failing: boolean } };
    archive: Pick<RecordingArchive, 'state'> | undefined;
  };
  version: string;
  startedAt: number;
  loopDelay: LoopDelay;
  isStopping: () => boolean;
};

const prober = system('health');

const isWhole = (checks: ReadyChecks) => Object.values(checks).every((check) => check === 'ok');

/** Without a database nothing goes; without CA or audit log reads still do, which `ready` is too strict for. */
async function health(parts: SystemHandlerParts): Promise<'ok' | 'degraded' | 'down'> {
  const checks = await readyChecks(parts.core);
  if (parts.isStopping() || checks.database !== 'ok') return 'down';
  return isWhole(checks) ? 'ok' : 'degraded';
}

/** Down is 503, for load balancers that read nothing else. */
const told = (status: 'ok' | 'degraded' | 'down', more: Record<string, unknown>) =>
  Response.json({ status, ...more }, { status: status === 'down' ? 503 : 200 });

const uptimeS = ({ startedAt }: SystemHandlerParts) => Math.round((performance.now() - startedAt) / 1000);

function replicaRows({ core }: SystemHandlerParts) {
  return core.replicas.list().map((replica) => ({
    id: replica.id,
    version: replica.version,
    startedAt: timeText(replica.startedAt),
    seenAt: timeText(replica.seenAt),
    live: core.replicas.isLive(replica),
    agentUrl: replica.agentUrl,
  }));
}

async function detailed(parts: SystemHandlerParts) {
  const { core, version, loopDelay } = parts;
  const latencyMs = await core.store.ping().catch(() => null);
  const known = await core.store.read(prober, (db) =>
    db
      .selectFrom('agents')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow(),
  );
  const root = await core.store.read(prober, (db) =>
    db
      .selectFrom('ca_keys')
      .select(['not_after'])
      .where('role', '=', 'intermediate')
      .orderBy('not_after', 'desc')
      .executeTakeFirst(),
  );
  return {
    status: await health(parts),
    version,
    replicaId: core.audit.chain,
    uptimeS: uptimeS(parts),
    database: { engine: core.store.engine, status: latencyMs === null ? 'down' : 'ok', latencyMs },
    agents: { connected: core.hub.connected, known: known.count },
    replicas: replicaRows(parts),
    audit: { headSeq: core.audit.head().seq, lagMs: core.audit.lagMs() },
    ca: { phase: core.authority.phase(), notAfter: timeTextOrNull(root?.not_after ?? null) },
    recordings: { failing: core.recorder.health.failing, archive: core.archive?.state ?? null },
    loopDelayP99Ms: loopDelay.p99Ms(),
  };
}

export function systemHandlers(parts: SystemHandlerParts): HandlersOf<Names> {
  const { core, version } = parts;
  // Made when it is asked for: it costs as much as all else of a start.
  let document: string | undefined;
  return {
    'get-healthz': async () => new Response('ok', { headers: { 'Content-Type': 'text/plain' } }),
    'get-live': async () => ({ status: 'ok' }),
    'get-health': async () => told(await health(parts), { version, uptimeS: uptimeS(parts) }),
    // A replica that could only refuse what changes something gets none of it: others can do it.
    'get-ready': async () => {
      const checks = await readyChecks(core);
      return told(parts.isStopping() || !isWhole(checks) ? 'down' : 'ok', { checks });
    },
    'get-version': async () => ({ version, contract: contractVersion }),
    'get-openapi': async () =>
      new Response((document ??= JSON.stringify(openapiDocument(version))), {
        headers: { 'Content-Type': 'application/json' },
      }),
    'get-detailed-health': () => detailed(parts),
    'get-system-info': async () => ({
      replicaId: core.audit.chain,
      version,
      platform: platform(),
      arch: arch(),
      cpus: cpus().length,
      memoryBytes: totalmem(),
      database: core.store.engine,
      limitsShared: core.limiter.shared,
    }),
    'list-replicas': async () => ({ items: replicaRows(parts), nextCursor: null }),
    'stream-events': async (call) => eventStream(call, core),
  };
}
