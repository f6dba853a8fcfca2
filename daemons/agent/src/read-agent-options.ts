import { readConfigFile } from '@labmesh/kit/config-file';
import { parseOptions } from '@labmesh/kit/options';
import type { OptionsFile } from '@labmesh/kit/options/read-tables';
import { besideOthers } from '@labmesh/kit/options/shared-tables';
import { checkShipFiles, checkShipping } from './ship/check-shipping.ts';
import { agentOptions, type AgentOptions } from './agent-options.ts';

/** AG-2: labels stand as a table, `{ rack = "r1" }`; as a list, `["rack=r1"]`, they are what the flag takes. */
export function labelsAsList(file: OptionsFile): OptionsFile {
  const { agent } = file.data as { agent?: { labels?: unknown } };
  const labels = agent?.labels;
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return file;
  const list = Object.entries(labels).map(([name, value]) => (typeof value === 'string' ? `${name}=${value}` : value));
  return { ...file, data: { ...file.data, agent: { ...agent, labels: list } } };
}

/** Flags, `--config` and environment of `lab-agent`. @throws OptionsError. */
export async function readAgentOptions(
  argv: string[],
): Promise<{ options: AgentOptions; command: string | undefined; config: string | undefined }> {
  const at = argv.findIndex((word) => word === '--config' || word === '-c');
  const config = at === -1 ? undefined : argv[at + 1];
  const rest = at === -1 ? argv : [...argv.slice(0, at), ...argv.slice(at + 2)];
  const file =
    config === undefined ? undefined : labelsAsList(besideOthers(agentOptions, await readConfigFile(config)));
  const { values, positionals } = parseOptions(agentOptions, { argv: rest, env: process.env, file, positionalsMax: 1 });
  checkShipping(values);
  const [command] = positionals;
  // Later on a file that may not be read is told in the log: it must not keep the agent from its work.
  if (command === 'check-config') await checkShipFiles(values);
  return { options: values, command, config };
}
