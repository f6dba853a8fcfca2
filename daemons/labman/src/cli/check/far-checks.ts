/** What the network has to say: the Conplane, its clock, the hub's two ports. */
import { join } from 'node:path';
import { timestampFile } from '@labmesh/wireguard/native/timestamp-file';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { CheckGround } from './check-ground.ts';
import { clockCheck } from './clock-check.ts';
import { conplaneCheck, registrationCheck } from './conplane-checks.ts';
import type { Finding } from './finding.ts';
import { pathChecks } from './path-checks.ts';
import type { RunningNode } from './running-node.ts';

export async function farChecks(ground: CheckGround, node: RunningNode | undefined): Promise<Finding[]> {
  const { config, tunnel, place, stateDir } = ground;
  const { controlPlane } = config;
  const asking = controlPlane && conplaneCheck(controlPlane);
  const paths = pathChecks({ place: place instanceof TunnelError ? undefined : place, mtu: tunnel.mtu, node });
  const [conplane, found] = await Promise.all([asking, paths]);
  const kept = timestampFile(join(stateDir, 'tai64n'), () => undefined).load();
  const clock = clockCheck({ look: conplane?.look, kept, hub: node?.view?.peers[0], nowMs: Date.now() });
  const registered = controlPlane === undefined ? [] : [registrationCheck(node?.registration)];
  return [...(conplane === undefined ? [] : [conplane.finding]), ...registered, clock, ...found];
}
