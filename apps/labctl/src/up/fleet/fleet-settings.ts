/** What labmesh.toml says of labd and of the agent on this machine, read by their own options. */
import { agentOptions, type AgentOptions } from '@labmesh/agent/agent-options';
import { checkShipping } from '@labmesh/agent/ship/check-shipping';
import { parseOptions } from '@labmesh/kit/options';
import type { OptionDefs } from '@labmesh/kit/options/option-def';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { labdOptions, type LabdOptions } from '@labmesh/labd/settings/labd-options';
import type { Environment } from '../../command.ts';

const topTables = (defs: OptionDefs): string[] => [
  ...new Set(Object.values(defs).flatMap(({ file }) => (file === undefined ? [] : [file.split('.')[0] ?? '']))),
];

/** Tables of the file that belong to labd and the agent. */
export const fleetTables: readonly string[] = [...topTables(labdOptions), ...topTables(agentOptions)];

export type FleetSettings = {
  labd: LabdOptions;
  agent: AgentOptions;
  /** Whether the file or the environment gives it: what nobody chose lies in the data folder here. */
  isSet: (key: keyof LabdOptions) => boolean;
};

/** @throws OptionsError (exit 3) with file, line and key. */
export function readFleetSettings(file: OptionsFile | undefined, env: Environment): FleetSettings {
  // Each reader knows its own tables; those of all others are theirs to check.
  const others = (own: OptionDefs): OptionsFile | undefined => {
    const mine = new Set(topTables(own));
    return file === undefined
      ? undefined
      : { ...file, known: Object.keys(file.data).filter((table) => !mine.has(table)) };
  };
  const { values: labd, sources } = parseOptions(labdOptions, { env, file: others(labdOptions) });
  const { values: agent } = parseOptions(agentOptions, { env, file: others(agentOptions) });
  checkShipping(agent);
  return {
    labd,
    agent,
    isSet: (key) => !['default', 'unset'].includes(sources[key]),
  };
}
