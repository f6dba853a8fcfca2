/**
 * Everything of labd that needs the database, in order (each closed in reverse):
 *
 *     store → clock → secrets → audit → access → CA, deny list → events → recordings → replicas → hub → login, enrolment → tunnel, nodes → updates
 *     → relay
 *
 * Facts flow up this line, intent flows down; nothing reads audit or events to decide.
 */
import type { Metrics } from '@labmesh/kit/metrics';
import { composeHub, type Hub } from './compose/compose-hub.ts';
import { composeRecordings, type Recordings } from './compose/compose-recordings.ts';
import { composeRelay, type Relay } from './compose/compose-relay.ts';
import { composeTrust, type Trust } from './compose/compose-trust.ts';
import { composeNodes, type NodePlane } from './compose/compose-nodes.ts';
import { type EnrolServices, enrolServices } from './enrol/enrol-services.ts';
import { EventLog } from './events/event-log.ts';
import type { Ground, Urls } from './settings/ground.ts';
import type { LabdOptions } from './settings/labd-options.ts';
import { RateLimiter } from './limits/rate-limiter.ts';
import { type LoginServices, loginServices } from './login/login-services.ts';
import type { TlsIdentity } from './own-certificate.ts';
import { AgentUpdates } from './reconcile/agent-updates.ts';
import type { World } from './settings/world.ts';

export type CoreParts = {
  options: LabdOptions;
  ground: Ground;
  urls: Urls;
  /** Our certificate as it is now, for other replicas. */
  identity: () => TlsIdentity;
  store: World['store'];
  version: string;
  metrics: Metrics;
  clock: World['clock'];
  log: World['log'];
};

export type Core = AsyncDisposable &
  Trust &
  Hub &
  Relay &
  NodePlane &
  Recordings & {
    store: World['store'];
    events: EventLog;
    limiter: RateLimiter;
    updates: AgentUpdates;
    people: LoginServices & EnrolServices;
  };

/** Opens everything over an open store. @throws errors with an exit code when it can never work (wrong key). */
export async function openCore(parts: CoreParts): Promise<Core> {
  const { options, ground, urls, store, metrics, log } = parts;
  const { dataDir, replicaId } = ground;
  await using opening = new AsyncDisposableStack();
  const trust = await composeTrust({ ...parts, dataDir, replicaId }, opening);
  const { clock } = trust;
  const events = opening.use(new EventLog({ store, clock, log }));
  const limiter = opening.use(new RateLimiter({ limits: options, redisUrl: options.redisUrl, clock, log, metrics }));
  const { recorder, archive } = composeRecordings({ ...parts, ...trust, dataDir, replicaId, events }, opening);
  const hub = await composeHub({ ...parts, ...trust, events }, opening);
  const joining = { agentUrl: urls.agent, agentUrls: hub.agentUrls };
  const people = {
    ...loginServices({ ...parts, ...trust, publicUrl: urls.api }),
    ...enrolServices({ ...parts, ...trust, ...joining }),
  };
  const { nodes, tunnel, nodeRelay } = await composeNodes({ ...parts, ...trust, events }, opening);
  const live = () => new Set([replicaId, ...hub.replicas.others().map(({ id }) => id)]);
  const updates = opening.use(
    new AgentUpdates({ store, hub: hub.hub, liveReplicas: live, replicaId, dataDir, clock, log }),
  );
  const onNode = nodeRelay.door.take;
  const relay = await composeRelay({ ...parts, ...trust, ...hub, replicaId, recorder, limiter, onNode }, opening);
  nodeRelay.follow({ peers: relay.peers, replicas: hub.replicas }, opening);
  const opened = opening.move();
  const own = { store, events, limiter, recorder, archive, people, nodes, tunnel, nodeRelay, updates };
  return { ...own, ...trust, ...hub, ...relay, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
