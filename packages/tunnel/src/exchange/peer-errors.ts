/** What failed with a peer, in words for whoever has to mend it (tunnel 2.9): a code, what was seen, where to look. */
import type { Endpoint } from '@labmesh/rosenpass/effects';
import { showEndpoint } from '../named-endpoint.ts';

/** What was sent for nothing, and to where. */
export type Tried = { places: readonly Endpoint[]; bytes: number };

/** `where`: whose port it is. */
function askPort(places: readonly Endpoint[], where: string): string {
  const port = places.at(-1)?.port;
  return port === undefined ? 'does its name resolve here?' : `is UDP ${port} open ${where}?`;
}

const triedText = ({ places, bytes }: Tried) =>
  places.length === 0
    ? 'no address of it is known'
    : `tried ${places.map(showEndpoint).join(', ')}; ${bytes} bytes sent`;

/** The exchange has no answer. `waited`: "for 30 s". */
export const exchangeTimeout = (waited: string, tried: Tried, where: string): string =>
  `ROSENPASS_TIMEOUT: no answer ${waited}; ${triedText(tried)}; ${askPort(tried.places, where)}`;

/** WireGuard has its key, dials, and nobody shakes hands. */
export const handshakeTimeout = (waited: string, tried: Tried, where: string): string =>
  `WIREGUARD_TIMEOUT: no handshake ${waited}; ${triedText(tried)}; ${askPort(tried.places, where)}`;

const placeText = (place: Endpoint | undefined) => (place === undefined ? 'nowhere yet' : showEndpoint(place));

/** Exchanges end and no handshake follows: the two ends hold different keys (Q8). `exchangeAgeMs` undefined: never. */
export function pskMismatch(exchangeAgeMs: number | undefined, wireguard?: Endpoint, rosenpass?: Endpoint): string {
  const age = exchangeAgeMs === undefined ? 'never' : `${Math.round(exchangeAgeMs / 1_000)} s ago`;
  const at = `WireGuard ${placeText(wireguard)}, Rosenpass ${placeText(rosenpass)}`;
  return `PSK_MISMATCH: the last exchange ended ${age}, and no handshake follows it; ${at}`;
}

/** The peer speaks what it is pinned not to (X6). `detail` as the exchange tells it. */
export const dialectMismatch = (reason: 'version' | 'encoding', detail = 'the peer speaks another one'): string =>
  `ROSENPASS_${reason.toUpperCase()}_MISMATCH: ${detail}`;
