/** What labmesh.toml says of labd and of the agent on this machine, read by their own options. */
import { agentOptions, type AgentOptions } from '@labmesh/agent/agent-options';
import { labelsAsList } from '@labmesh/agent/read-agent-options';
import { checkShipping } from '@labmesh/agent/ship/check-shipping';
import { parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import { labdOptions, type LabdOptions } from '@labmesh/labd/settings/labd-options';
import type { Environment } from '../../command.ts';

export type FleetSettings = {
  labd: LabdOptions;
  agent: AgentOptions;
  /** Whether the file or the environment gives it: what nobody chose lies in the data folder here. */
  isSet: (key: keyof LabdOptions) => boolean;
};

/** @throws OptionsError (exit 3) with file, line and key. */
export function readFleetSettings(file: OptionsFile | undefined, env: Environment): FleetSettings {
  const { values: labd, sources } = parseOptions(labdOptions, { env, file: file && besideOthers(labdOptions, file) });
  const own = file && labelsAsList(besideOthers(agentOptions, file));
  const { values: agent } = parseOptions(agentOptions, { env, file: own });
  checkShipping(agent);
  return {
    labd,
    agent,
    isSet: (key) => !['default', 'unset'].includes(sources[key]),
  };
}
