/** Columns of servers, agents and what they run on (CT-6). */
import type { Agent, Server } from '@labmesh/wire/fleet/resources/servers';
import { ago } from '../terminal/span.ts';
import type { View } from './column.ts';

/** `env=prod, team=a`: labels in the order of their keys. */
const labelText = (labels: Readonly<Record<string, string>>): string =>
  Object.keys(labels)
    .toSorted()
    .map((key) => `${key}=${labels[key]}`)
    .join(', ');

const orDash = (text: string): string | undefined => (text === '' ? undefined : text);

/** `64 GiB`; undefined stays undefined. */
export function sizeText(bytes: number | null): string | undefined {
  if (bytes === null) return undefined;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
  const value = bytes / 1024 ** power;
  return `${value >= 10 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}

/** Two of `H200` are `2 × H200`. */
function gpuText(gpus: readonly string[]): string | undefined {
  const counts = Map.groupBy(gpus, (name) => name);
  return orDash([...counts].map(([name, same]) => (same.length === 1 ? name : `${same.length} × ${name}`)).join(', '));
}

export const serverView: View<Server> = {
  name: ({ hostname }) => `server/${hostname}`,
  columns: [
    { header: 'NAME', value: ({ hostname }) => hostname },
    { header: 'STATUS', value: ({ status }) => status, state: true },
    { header: 'ENV', value: ({ environment }) => environment ?? undefined },
    { header: 'ROLE', value: ({ role }) => role ?? undefined },
    { header: 'CLOUD', value: ({ cloud }) => cloud ?? undefined },
    { header: 'AGENT', value: ({ agentVersion }) => agentVersion ?? undefined },
    { header: 'LAST SEEN', value: ({ lastSeenAt }, now) => ago(lastSeenAt ?? undefined, now) },
    { header: 'IP', value: ({ ip }) => ip ?? undefined, wide: true },
    { header: 'OS', value: ({ os, arch }) => orDash([os, arch].filter((part) => part !== null).join(' ')), wide: true },
    { header: 'CPUS', value: ({ cpus }) => cpus ?? undefined, wide: true },
    { header: 'MEMORY', value: ({ memoryBytes }) => sizeText(memoryBytes), wide: true },
    { header: 'GPUS', value: ({ gpus }) => gpuText(gpus), wide: true },
    { header: 'LABELS', value: ({ labels }) => orDash(labelText(labels)), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const agentView: View<Agent> = {
  name: ({ hostname }) => `agent/${hostname}`,
  columns: [
    { header: 'NAME', value: ({ hostname }) => hostname },
    { header: 'STATUS', value: ({ status }) => status, state: true },
    { header: 'VERSION', value: ({ version }) => version ?? undefined },
    { header: 'RING', value: ({ ring }) => ring ?? undefined },
    { header: 'PIN', value: ({ pin }) => pin ?? undefined },
    { header: 'CONNECTED', value: ({ connectedAt }, now) => ago(connectedAt ?? undefined, now) },
    { header: 'LAST SEEN', value: ({ lastSeenAt }, now) => ago(lastSeenAt ?? undefined, now) },
    { header: 'WANTED', value: ({ desiredVersion }) => desiredVersion ?? undefined, wide: true },
    { header: 'UPDATE', value: ({ updateState }) => updateState ?? undefined, wide: true },
    { header: 'BAD VERSIONS', value: ({ badVersions }) => orDash(badVersions.join(', ')), wide: true },
    { header: 'REPLICA', value: ({ replicaId }) => replicaId ?? undefined, wide: true },
    { header: 'BUNDLE', value: ({ bundle }) => bundle?.slice(0, 12), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};
