/** Columns of nodes and of their tokens (CT-6). */
import type { FleetNode, FleetNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import { ago, until } from '../terminal/span.ts';
import type { View } from './column.ts';

const orDash = (text: string): string | undefined => (text === '' ? undefined : text);

export const nodeView: View<FleetNode> = {
  name: ({ name }) => `node/${name}`,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'STATUS', value: ({ status }) => status, state: true },
    { header: 'STATE', value: ({ state }) => state ?? undefined },
    { header: 'MODELS', value: ({ models }) => models },
    { header: 'HEALTHY', value: ({ healthyEndpoints, totalEndpoints }) => `${healthyEndpoints}/${totalEndpoints}` },
    { header: 'ADDRESS', value: ({ address }) => address ?? undefined },
    { header: 'LAST SEEN', value: ({ lastSeenAt }, now) => ago(lastSeenAt ?? undefined, now) },
    { header: 'REGION', value: ({ region }) => region ?? undefined, wide: true },
    { header: 'TENANT', value: ({ tenant }) => orDash(tenant), wide: true },
    { header: 'VERSION', value: ({ version }) => version ?? undefined, wide: true },
    { header: 'MODE', value: ({ mode }) => mode ?? undefined, wide: true },
    { header: 'ACTIVE', value: ({ activeRequests }) => activeRequests, wide: true },
    { header: 'ROSENPASS', value: ({ rosenpassSha256 }) => rosenpassSha256?.slice(0, 23), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};

export const nodeTokenView: View<FleetNodeToken> = {
  name: ({ prefix }) => `node-token/${prefix}`,
  columns: [
    { header: 'TOKEN', value: ({ prefix }) => prefix },
    { header: 'STATE', value: ({ state }) => state, state: true },
    { header: 'NAME', value: ({ name }) => name ?? undefined },
    { header: 'EXPIRES', value: ({ expiresAt }, now) => until(expiresAt, now) },
    { header: 'LAST USED', value: ({ usedAt }, now) => ago(usedAt ?? undefined, now) },
    { header: 'BY', value: ({ createdBy }) => createdBy },
    { header: 'REGION', value: ({ region }) => region ?? undefined, wide: true },
    { header: 'TENANT', value: ({ tenant }) => orDash(tenant), wide: true },
    { header: 'REKEY', value: ({ allowRekey }) => (allowRekey ? 'yes' : 'no'), wide: true },
    { header: 'NODE', value: ({ nodeId }) => nodeId ?? undefined, wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};
