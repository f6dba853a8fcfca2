/** What a machine says of itself when it joins: names to know it again by (JT-7), never to decide by. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { AgentOptions } from '../agent-options.ts';
import type { MachineFacts } from './agent-identity.ts';

const idFiles = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/** The machine id, hashed with our name: the raw one is not to be told to others (machine-id(5)). */
function machineId(hostname: string): string {
  for (const path of idFiles) {
    try {
      const text = readFileSync(path, 'utf8').trim();
      if (/^[0-9a-f]{32}$/.test(text))
        return createHash('sha256').update(`labmesh-machine-v1\n${text}`).digest('hex').slice(0, 32);
    } catch {
      // Not every system has it.
    }
  }
  return createHash('sha256')
    .update(`labmesh-machine-v1\n${hostname}\n${macs().join(',')}`)
    .digest('hex')
    .slice(0, 32);
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
    machineId: given ?? machineId(hostname),
    macs: given === undefined ? macs() : [],
    agentVersion,
    labels: Object.fromEntries(pairs),
  };
}
