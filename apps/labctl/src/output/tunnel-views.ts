/** Columns of the tunnel's peers (CT-6). The word for "protected" is the API's own: it is `active` or it is not. */
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import type { View } from './column.ts';

const seconds = (value: number | null) => (value === null ? undefined : `${Math.round(value)}s`);

export const tunnelPeerView: View<TunnelPeer> = {
  name: ({ name }) => `tunnel/${name}`,
  columns: [
    { header: 'NAME', value: ({ name }) => name },
    { header: 'PQ', value: ({ pq }) => pq, state: true },
    { header: 'REASON', value: ({ pqReason }) => pqReason },
    { header: 'MODE', value: ({ mode }) => mode },
    { header: 'ADDRESS', value: ({ address }) => address },
    { header: 'EXCHANGE', value: ({ exchangeAgeS }) => seconds(exchangeAgeS) },
    { header: 'HANDSHAKE', value: ({ handshakeAgeS }) => seconds(handshakeAgeS) },
    // The code; `tunnel show` has the rest.
    { header: 'ERROR', value: ({ lastError }) => lastError?.split(':')[0] },
    { header: 'ENDPOINT', value: ({ endpoint }) => endpoint ?? undefined, wide: true },
    { header: 'VERSION', value: ({ version }) => version ?? undefined, wide: true },
    { header: 'CIPHERTEXT', value: ({ ciphertext }) => ciphertext ?? undefined, wide: true },
    { header: 'ROSENPASS', value: ({ rosenpassSha256 }) => rosenpassSha256?.slice(0, 23), wide: true },
    { header: 'ID', value: ({ id }) => id, wide: true },
  ],
};
