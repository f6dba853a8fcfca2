/** Nodes across replicas (tunnel H6): others reach those of our hub, and processes of this machine those of other hubs. */
import type { Metrics } from '@labmesh/kit/metrics';
import type { AuditLog } from '../audit/audit-log.ts';
import { FirstRefusals } from '../limits/first-refusals.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import { NodeDoor, type NodeDoorParts } from '../tunnel/relay/node-door.ts';
import { addRelayMetrics, RelayCounts } from '../tunnel/relay/relay-counts.ts';
import { RelayedNodes, type RelayedNodesParts } from '../tunnel/relay/relayed-nodes.ts';

export type NodeRelayParts = World & {
  options: Pick<LabdOptions, 'tunnelRelay'>;
  replicaId: string;
  audit: AuditLog;
  metrics: Metrics;
};

export type NodeRelay = {
  door: NodeDoor;
  /** Nodes of other hubs that are answered here. */
  relayed(): ReturnType<RelayedNodes['view']>;
  /** This replica's own hub is about to have a peer at the address: nothing of before stands there any longer. */
  taken(address: string): void;
  /** Begins to answer for nodes of other hubs; nothing where there is no hub, or `conplane.tunnel.relay = false`. */
  follow(others: Pick<RelayedNodesParts, 'peers' | 'replicas'>, stack: AsyncDisposableStack): void;
};

/** `hub` is asked when it is needed: it is opened after this. */
export function composeNodeRelay(
  parts: NodeRelayParts,
  hub: () => (ReturnType<NodeDoorParts['hub']> & RelayedNodesParts['hub']) | undefined,
  stack: AsyncDisposableStack,
): NodeRelay {
  const { options, store, replicaId, audit, metrics, clock, log } = parts;
  const counts = new RelayCounts();
  addRelayMetrics(metrics, counts);
  const first = new FirstRefusals(clock);
  const door = stack.use(
    new NodeDoor({
      store,
      replicaId,
      hub,
      counts,
      clock,
      log,
      // Usual for a second while a node moves: one row a minute and replica tells the rest (AU-4).
      onRefused: (principal, address) => {
        log.debug('another replica asked for an address that no node of this hub has', { address, by: principal.id });
        if (!first.isFirst(principal.id)) return;
        audit.note({
          principal,
          phase: 'single',
          action: 'tunnel.relay',
          result: 'denied',
          code: 'NOT_FOUND',
          details: { address },
        });
      },
    }),
  );
  let nodes: RelayedNodes | undefined;
  return {
    door,
    relayed: () => nodes?.view() ?? [],
    taken: (address) => nodes?.taken(address),
    follow: (others, following) => {
      const own = hub();
      if (own === undefined) return;
      if (!options.tunnelRelay) {
        // What a run with the setting on, and killed, has left at an interface that outlived it.
        const failed = (error: unknown) =>
          log.warn('addresses of nodes of other hubs may still be answered', { error });
        return void own.answerFor(new Set()).catch(failed);
      }
      nodes = following.use(new RelayedNodes({ store, replicaId, hub: own, ...others, counts, clock, log }));
      nodes.start();
    },
  };
}
