/** What all checks look at, read once. */
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { type NodeState, readNodeState } from '../../conplane/node-file.ts';
import type { LabmanConfig } from '../../labman-config.ts';
import { stateInFile } from '../../tunnel/hub-in-file.ts';
import { type HubPlace, hubPlace } from '../../tunnel/hub-peer.ts';
import { type TunnelPaths, tunnelPaths } from '../../tunnel/tunnel-paths.ts';
import type { LabmanFlags } from '../labman-options.ts';
import { settingsOf } from '../settings-of.ts';
import { fail, failure, type Finding, pass } from './finding.ts';

export type CheckGround = {
  config: LabmanConfig;
  tunnel: TunnelConfig;
  paths: TunnelPaths;
  state: NodeState | undefined;
  /** An error: what the hub or the file named is refused. */
  place: HubPlace | TunnelError | undefined;
  stateDir: string;
};

const name = 'settings';

function placeOf(state: NodeState | undefined, tunnel: TunnelConfig): CheckGround['place'] {
  try {
    return state && hubPlace(state, tunnel);
  } catch (error) {
    if (error instanceof TunnelError) return error;
    throw error;
  }
}

/** Ground undefined: the settings are at fault, and nothing else can be looked at. */
export async function checkGround(flags: LabmanFlags): Promise<{ finding: Finding; ground?: CheckGround }> {
  const warnings: string[] = [];
  let config: LabmanConfig | undefined;
  try {
    config = await settingsOf(flags, (line) => void warnings.push(line));
  } catch (error) {
    if (!(error instanceof Error && 'exitCode' in error)) throw error;
    return { finding: failure(name, error, 'labmand --check-config says more') };
  }
  const { stateDir } = flags;
  if (config?.tunnel === undefined) {
    return {
      finding: fail(name, 'no tunnel is configured', 'labman join --token-file FILE; --config names the settings'),
    };
  }
  const { tunnel } = config;
  const state = readNodeState(stateDir) ?? stateInFile(tunnel);
  const place = placeOf(state, tunnel);
  const said = warnings.length === 0 ? '' : `, with ${warnings.length} warnings: ${warnings[0]}`;
  const ground = { config, tunnel, paths: tunnelPaths(tunnel, stateDir), state, place, stateDir };
  return { finding: pass(name, `${config.path}${said}`), ground };
}
