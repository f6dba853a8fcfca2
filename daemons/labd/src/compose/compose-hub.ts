/** The fleet as this replica knows it: the other replicas, the agents here, and the view over all. */
import type { Ground, Urls } from '../settings/ground.ts';
import { AgentHub } from '../hub/agent-hub.ts';
import type { HubParts } from '../hub/hub-parts.ts';
import { BastionHub } from '../hub/bastion-hub.ts';
import { Directory } from '../hub/directory.ts';
import { FleetView } from '../hub/fleet-view.ts';
import { Replicas } from '../hub/replicas.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import { composeShipping, type ShippingParts } from './compose-shipping.ts';
import type { Trust } from './compose-trust.ts';

export type HubComposeParts = Pick<Trust, 'denyList' | 'authority'> & {
  store: ShippingParts['store'];
  options: LabdOptions;
  ground: Ground;
  urls: Urls;
  version: string;
  events: HubParts['events'];
  metrics: ShippingParts['metrics'];
  clock: HubParts['clock'];
  log: HubParts['log'];
};

export type Hub = {
  replicas: Replicas;
  directory: Directory;
  hub: AgentHub;
  view: FleetView;
  bastions: BastionHub;
  agentUrls: () => readonly string[];
};

export async function composeHub(parts: HubComposeParts, stack: AsyncDisposableStack): Promise<Hub> {
  const { store, options, ground, urls, version, events, metrics, denyList, authority, clock, log } = parts;
  const { replicaId } = ground;
  const self = { id: replicaId, version, peerUrl: urls.peer ?? urls.agent, agentUrl: urls.agent };
  const replicas = stack.use(await Replicas.open({ store, clock, log, self }));
  const directory = new Directory(store, replicaId);
  const isLive = (id: string) => replicas.others().some((one) => one.id === id);
  const otherUrls = () => replicas.others().flatMap(({ agentUrl }) => agentUrl ?? []);
  const { orphanTtlMs, detachedTtlMs, killAfterMs, drainMs } = options;
  const exec = { orphanTtlMs, detachedTtlMs, killAfterMs, drainMs };
  const logs = composeShipping({ store, clock, log, metrics, collector: ground.collector }, stack);
  const hub = stack.use(
    new AgentHub({
      directory,
      denyList,
      events,
      clock,
      log,
      replicaId,
      options,
      otherUrls,
      bundle: () => authority.bundle(),
      isLive,
      exec,
      logs,
    }),
  );
  stack.defer(authority.onChange(() => hub.tellNews()));
  const bastions = stack.use(new BastionHub({ store, denyList, events, clock, log, welcome: () => hub.welcome() }));
  await directory.clear();
  hub.returns.fleet = await directory.activeCount();
  const view = new FleetView(store, hub, replicas, clock);
  return { replicas, directory, hub, view, bastions, agentUrls: () => [urls.agent, ...otherUrls()] };
}
