/** Clients, sessions, and the links to other replicas. */
import { system } from '@labmesh/wire/fleet/principal';
import type { LabdOptions } from '../settings/labd-options.ts';
import { BoundedWork } from '../limits/bounded-work.ts';
import type { RateLimiter } from '../limits/rate-limiter.ts';
import { RevokedLogins } from '../login/revoked-logins.ts';
import type { Recorder } from '../recordings/recorder.ts';
import { ClientSockets } from '../relay/client-sockets.ts';
import { DetachedSessions } from '../relay/detached-sessions.ts';
import { PeerLinks, type PeerLinksParts } from '../relay/peer-links.ts';
import { PeerParts } from '../relay/peer-parts.ts';
import { Route } from '../relay/routes.ts';
import { SessionService } from '../relay/session-service.ts';
import type { Hub } from './compose-hub.ts';
import type { Trust } from './compose-trust.ts';
import type { World } from '../settings/world.ts';

export type RelayParts = Trust &
  Hub & {
    store: World['store'];
    options: LabdOptions;
    replicaId: string;
    version: string;
    /** Our certificate as it is now. */
    identity: () => { keyPem: string; certPem: string; bundlePem: string };
    /** Other replicas' way to nodes of our hub. */
    onNode: PeerLinksParts['onNode'];
    recorder: Recorder;
    limiter: RateLimiter;
    clock: World['clock'];
    log: World['log'];
  };

export type Relay = {
  peers: PeerLinks;
  sessions: SessionService;
  clients: ClientSockets;
  /** Ends a session wherever its agent is (EX-11). */
  killSession(session: string, agentId: string): Promise<void>;
  /** Parts of recordings that other replicas keep. */
  parts: PeerParts;
};

const killer = system('kill-session');

export async function composeRelay(parts: RelayParts, stack: AsyncDisposableStack): Promise<Relay> {
  const { store, options, replicaId, version, identity, hub, directory, denyList, clock, log } = parts;
  const endHere = (session: string, agentId: string) => {
    sessions.live.end(session, 'killed');
    hub.find(agentId)?.link.sendMsg({ kind: 'end-sessions', sessions: [session], reason: 'killed' });
  };
  const endAsked = (ids: readonly string[]) => {
    for (const id of ids) {
      const asked = sessions.agentOf(id).then((agentId) => agentId !== undefined && endHere(id, agentId));
      asked.catch((error: unknown) => log.warn('a session that a replica asked to end is not known', { error }));
    }
  };
  const { trustDomain } = options;
  const now = () => clock.wall();
  const revoked = stack.use(await RevokedLogins.open({ store, clock, log }));
  const onDenials = () => {
    log.debug('another replica has changed the deny list');
    void Promise.all([denyList.poll(), revoked.poll()]);
  };
  const others = () => parts.replicas.others();
  const told = { onEndSessions: endAsked, onDenials, onNode: parts.onNode };
  const own = { identity, trustDomain, now, replicaId, version };
  const peers = stack.use(new PeerLinks({ ...own, hub, denyList, others, log, ...told }));
  stack.defer(denyList.onWritten(() => peers.tellDenials()));
  const { execPerUserMax: perUserMax, execPerServerMax: perServerMax, execPerReplicaMax: perReplicaMax } = options;
  const work = new BoundedWork({ perUserMax, perServerMax, perReplicaMax });
  const routes = { hub, directory, peers, replicaId, clock };
  const sessions = stack.use(new SessionService({ ...parts, work, routes, revoked, orphanTtlMs: options.orphanTtlMs }));
  stack.use(
    new DetachedSessions({
      ...parts,
      isHere: (id) => sessions.live.get(id) !== undefined,
      adopt: (row) => sessions.comeBack.adoptDetached(row),
    }),
  );
  const clients = stack.use(new ClientSockets({ sessions, denyList, revoked, replicaId, options, clock, log }));
  stack.defer(
    revoked.onRevoked((login) => {
      sessions.live.endLogin(login);
      clients.endLogin(login);
    }),
  );
  stack.defer(
    hub.onAgent(({ agentId, sessions: alive }, isUp) => {
      if (!isUp) return;
      sessions.comeBack
        .agentCame(agentId, alive)
        .catch((error: unknown) => log.warn('sessions of an agent were not looked at', { error }));
    }),
  );
  const killSession = async (session: string, agentId: string) => {
    endHere(session, agentId);
    // Nobody may have gone to that replica from here before.
    await new Route(routes, agentId, killer).find();
    peers.endSessions([session], 'killed');
  };
  const recorded = new PeerParts({ replicas: parts.replicas, identity, trustDomain, now, log });
  return { peers, sessions, clients, killSession, parts: recorded };
}
