/** What can be told of this machine and its files alone. */
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import { readTrusted } from '../../conplane/trusted-key.ts';
import type { CheckGround } from './check-ground.ts';
import { deviceChecks } from './device-checks.ts';
import type { Finding } from './finding.ts';
import { keyChecks } from './key-checks.ts';
import { machineChecks } from './machine-checks.ts';
import { pinCheck } from './pin-check.ts';
import type { RunningNode } from './running-node.ts';

export async function localChecks(ground: CheckGround, node: RunningNode | undefined): Promise<Finding[]> {
  const { config, tunnel, place, paths, state, stateDir } = ground;
  const isOpen = node?.view !== undefined;
  const timestampPath = join(stateDir, 'tai64n');
  const settings = { config: tunnel, proxyPort: config.proxy.tunnelPort, timestampPath, log: silentLogger };
  const device = isOpen && !(place instanceof TunnelError) ? [] : await deviceChecks(settings, place);
  const pins = { config: tunnel, state, trusted: readTrusted(stateDir), registration: node?.registration };
  return [...(await machineChecks(tunnel, node?.view)), ...device, ...keyChecks(tunnel, paths), pinCheck(pins)];
}
