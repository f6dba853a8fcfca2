/** What a machine says of itself when it joins: names to know it again by (JT-7), never to decide by. */
import { createHash } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { AgentOptions } from '../agent-options.ts';
import { MachineFiles } from '../facts/machine-files.ts';
import { machineId } from '../facts/machine-id.ts';
import type { MachineFacts } from './agent-identity.ts';

/** The machine's id; where the system has none, made of its name and MACs. */
function ownId(hostname: string): string {
  const found = machineId(new MachineFiles());
  if (found !== '') return found;
  const text = `labmesh-machine-v1\n${hostname}\n${macs().join(',')}`;
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

/** MACs of real interfaces, each once. */
function macs(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const found = all
    .filter(({ internal, mac }) => !internal && mac !== '00:00:00:00:00:00')
    .map(({ mac }) => mac.toLowerCase());
  return [...new Set(found)].toSorted().slice(0, 64);
}

export function machineFacts(
  { hostname, labels, machineId: given }: Pick<AgentOptions, 'hostname' | 'labels' | 'machineId'>,
  agentVersion: string,
): MachineFacts {
  const pairs = labels.map((label) => [label.split('=')[0] ?? '', label.split('=').slice(1).join('=')] as const);
  return {
    hostname,
    machineId: given ?? ownId(hostname),
    macs: given === undefined ? macs() : [],
    agentVersion,
    labels: Object.fromEntries(pairs),
  };
}
