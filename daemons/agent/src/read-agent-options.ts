import { readConfigFile } from '@labmesh/kit/config-file';
import { parseOptions } from '@labmesh/kit/options';
import { agentOptions, type AgentOptions } from './agent-options.ts';

/** Flags, `--config` and environment of `lab-agent`. @throws OptionsError. */
export async function readAgentOptions(
  argv: string[],
): Promise<{ options: AgentOptions; command: string | undefined; config: string | undefined }> {
  const at = argv.findIndex((word) => word === '--config' || word === '-c');
  const config = at === -1 ? undefined : argv[at + 1];
  const rest = at === -1 ? argv : [...argv.slice(0, at), ...argv.slice(at + 2)];
  const read = config === undefined ? undefined : await readConfigFile(config);
  const file =
    read === undefined ? undefined : { ...read, known: Object.keys(read.data).filter((table) => table !== 'agent') };
  const { values, positionals } = parseOptions(agentOptions, { argv: rest, env: process.env, file, positionalsMax: 1 });
  return { options: values, command: positionals[0], config };
}
