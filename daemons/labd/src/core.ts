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
import { BoundedWork } from './limits/bounded-work.ts';
import type { TlsIdentity } from './own-certificate.ts';
import { openPeople, type People } from './people.ts';
import { ClientSockets } from './relay/client-sockets.ts';
import { PeerLinks } from './relay/peer-links.ts';
import { SessionService } from './relay/session-service.ts';
import type { LabdOptions } from './labd-options.ts';
import { RateLimiter } from './limits/rate-limiter.ts';
import { openRecorder, type Recorder } from './recordings/recorder.ts';
import { openSecrets, type Secrets } from './secrets/open-secrets.ts';

export type Urls = { api: string; agent: string; peer: string | undefined };

export type CoreParts = {
  /** Our certificate as it is now, for other replicas. */
  identity: () => TlsIdentity;
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
  readonly people: People;
  readonly sessions: SessionService;
  readonly clients: ClientSockets;
  readonly peers: PeerLinks;
  readonly clock: Clock;
  /** Ends a session wherever its agent is (EX-11). */
  killSession(session: string, agentId: string): void;
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
  const authority = stack.use(
    await Authority.open({ store, secrets, clock, log, options: caOptions(options, ground) }),
  );
  return { secrets, audit, policies, denyList, authority };
}

function caOptions(options: LabdOptions, ground: Ground) {
  const hosts = [options.publicUrl, options.agentUrl, options.peerUrl]
    .filter((url) => url !== undefined)
    .map((url) => new URL(url).hostname);
  const { trustDomain, rootMode, rootTtlMs, intermediateTtlMs, backdateMs, phaseMinMs } = options;
  return {
    owner: ground.replicaId,
    rootFile: options.rootFile ?? `${ground.dataDir}/root-ca.pem`,
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

type RelayParts = CoreParts &
  Awaited<ReturnType<typeof openTrust>> & {
    directory: Directory;
    hub: AgentHub;
    view: FleetView;
    recorder: Recorder;
    limiter: RateLimiter;
    people: People;
  };

/** Clients, sessions and the other replicas. */
function openRelay(parts: RelayParts, stack: AsyncDisposableStack) {
  const { options, ground, version, identity, hub, directory, people, log } = parts;
  const { replicaId } = ground;
  const endHere = (session: string, agentId: string) => {
    sessions.end(session, 'killed');
    hub.find(agentId)?.link.sendMsg({ kind: 'end-sessions', sessions: [session], reason: 'killed' });
  };
  const peers = stack.use(
    new PeerLinks({
      hub,
      identity,
      trustDomain: options.trustDomain,
      replicaId,
      version,
      log,
      onEndSessions: (ids) => {
        for (const id of ids)
          void sessions
            .agentOf(id)
            .then((agentId) => agentId !== undefined && endHere(id, agentId))
            .catch(() => undefined);
      },
    }),
  );
  const {
    execPerUserMax: perUserMax,
    execPerServerMax: perServerMax,
    execPerReplicaMax: perReplicaMax,
    orphanTtlMs,
  } = options;
  const work = new BoundedWork({ perUserMax, perServerMax, perReplicaMax });
  const routes = { hub, directory, peers, replicaId };
  const sessions = stack.use(new SessionService({ ...parts, work, routes, orphanTtlMs }));
  const clients = stack.use(new ClientSockets({ sessions, denyList: parts.denyList, replicaId, options, log }));
  stack.defer(
    people.revoked.onRevoked((login) => {
      sessions.endLogin(login);
      clients.endLogin(login);
    }),
  );
  const killSession = (session: string, agentId: string) => {
    endHere(session, agentId);
    peers.endSessions([session], 'killed');
  };
  return { peers, sessions, clients, killSession };
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
  const agentUrls = () => [urls.agent, ...replicas.others().flatMap(({ agentUrl }) => agentUrl ?? [])];
  const people = await openPeople({ ...parts, ...trust, agentUrls }, opening);
  const relay = openRelay({ ...parts, ...trust, directory, hub, view, recorder, limiter, people }, opening);
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
    people,
    ...relay,
    clock,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
