/**
 * Everything of labd that needs the database, in order (each closed in reverse):
 *
 *     store → secrets → audit → access → CA, deny list → events → recordings → login, enrolment → replicas → hub
 *
 * Facts flow up this line, intent flows down; nothing reads audit or events to decide.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { Metrics } from '@labmesh/kit/metrics';
import type { Store } from '@labmesh/store/store';
import { system } from '@labmesh/wire/fleet/principal';
import { seedBuiltinRoles } from './access/builtin-roles.ts';
import { Policies } from './access/policies.ts';
import { type AuditLog, openAuditLog } from './audit/audit-log.ts';
import { Authority } from './ca/authority.ts';
import { DenyList } from './ca/deny-list.ts';
import { EventLog } from './events/event-log.ts';
import type { Ground } from './ground.ts';
import { AgentHub } from './hub/agent-hub.ts';
import { Directory } from './hub/directory.ts';
import { FleetView } from './hub/fleet-view.ts';
import { Replicas } from './hub/replicas.ts';
import type { LabdOptions } from './labd-options.ts';
import { RateLimiter } from './limits/rate-limiter.ts';
import { openRecorder, type Recorder } from './recordings/recorder.ts';
import { openSecrets, type Secrets } from './secrets/open-secrets.ts';

export type Urls = { api: string; agent: string; peer: string | undefined };

export type CoreParts = {
  options: LabdOptions;
  ground: Ground;
  urls: Urls;
  store: Store;
  version: string;
  metrics: Metrics;
  clock: Clock;
  log: Logger;
};

export interface Core extends AsyncDisposable {
  readonly store: Store;
  readonly secrets: Secrets;
  readonly audit: AuditLog;
  readonly policies: Policies;
  readonly authority: Authority;
  readonly denyList: DenyList;
  readonly events: EventLog;
  readonly limiter: RateLimiter;
  readonly recorder: Recorder;
  readonly replicas: Replicas;
  readonly hub: AgentHub;
  readonly directory: Directory;
  readonly view: FleetView;
}

const seeding = system('seed-roles');

function hubOptions(options: LabdOptions) {
  const { heartbeatMs, agentsMax, channelsMax, windowBytes, windowBytesMax, socketBufferMax } = options;
  return { heartbeatMs, agentsMax, channelsMax, windowBytes, windowBytesMax, socketBufferMax };
}

async function openTrust({ options, ground, store, clock, log }: CoreParts, stack: AsyncDisposableStack) {
  const { dataDir, replicaId } = ground;
  const secrets = stack.use(
    await openSecrets({
      store,
      dataDir,
      keyFile: options.kekFile,
      passphrase: options.kekPassphrase,
      replicaId,
      clock,
      log,
    }),
  );
  const auditOptions = {
    commitWaitMs: options.auditCommitWaitMs,
    commitRows: options.auditCommitRows,
    queueMax: options.auditQueueMax,
    writeTimeoutMs: options.auditWriteTimeoutMs,
  };
  const audit = stack.use(await openAuditLog({ store, secrets, chain: replicaId, clock, log, options: auditOptions }));
  await store.write(seeding, (tx) => seedBuiltinRoles(tx, clock.wall()));
  const policies = stack.use(await Policies.open({ store, clock, log }));
  const denyList = stack.use(await DenyList.open({ store, clock, log }));
  const authority = stack.use(await Authority.open({ store, secrets, clock, log, options: caOptions(options) }));
  return { secrets, audit, policies, denyList, authority };
}

function caOptions(options: LabdOptions) {
  const hosts = [options.publicUrl, options.agentUrl, options.peerUrl]
    .filter((url) => url !== undefined)
    .map((url) => new URL(url).hostname);
  const { trustDomain, rootMode, rootTtlMs, intermediateTtlMs, backdateMs, phaseMinMs } = options;
  return {
    trustDomain,
    rootMode,
    rootTtlMs,
    intermediateTtlMs,
    backdateMs,
    phaseMinMs,
    dnsNames: [...options.dnsSuffixes, ...hosts],
  };
}

function openHub(
  parts: CoreParts,
  trust: Awaited<ReturnType<typeof openTrust>>,
  events: EventLog,
  replicas: Replicas,
  stack: AsyncDisposableStack,
) {
  const { options, ground, store, clock, log } = parts;
  const directory = new Directory(store, ground.replicaId);
  const hub = stack.use(
    new AgentHub({
      directory,
      denyList: trust.denyList,
      events,
      clock,
      log,
      replicaId: ground.replicaId,
      options: hubOptions(options),
      bundleDigest: () => trust.authority.bundle().digest,
      otherUrls: () => replicas.others().flatMap(({ agentUrl }) => agentUrl ?? []),
    }),
  );
  return { directory, hub };
}

/** Opens everything over an open store. @throws errors with an exit code when it cannot ever work (wrong key). */
export async function openCore(parts: CoreParts): Promise<Core> {
  const { options, ground, urls, store, version, metrics, clock, log } = parts;
  await using opening = new AsyncDisposableStack();
  const trust = await openTrust(parts, opening);
  const events = opening.use(new EventLog({ store, clock, log }));
  const limiter = opening.use(new RateLimiter({ limits: options, redisUrl: options.redisUrl, clock, log, metrics }));
  const recorder = opening.use(
    openRecorder({
      store,
      secrets: trust.secrets,
      url: options.recordingsUrl ?? `file:${ground.dataDir}/recordings`,
      clock,
      log,
      metrics,
      options: {
        input: options.recordInput,
        ttyBytesMax: options.recordTtyBytesMax,
        pipeBytesMax: options.recordPipeBytesMax,
      },
      onAlarm: ({ type, why }) => events.emit('recording-failed', 'replica', ground.replicaId, { type, why }),
    }),
  );
  const self = { id: ground.replicaId, version, peerUrl: urls.peer ?? urls.agent, agentUrl: urls.agent };
  const replicas = opening.use(await Replicas.open({ store, clock, log, self }));
  const { directory, hub } = openHub(parts, trust, events, replicas, opening);
  await directory.clear();
  const view = new FleetView(store, hub, replicas);
  const opened = opening.move();
  return {
    store,
    ...trust,
    events,
    limiter,
    recorder,
    replicas,
    hub,
    directory,
    view,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
