/**
 * The port of a node that is relayed (H6). The node names it, and a node may be anybody's, while the one who answers there
 * in its place is the machine of another replica: ports of that machine's own services are not for a node to take.
 */

/** What a node of before `proxy_port` has. */
const usualPort = 8_080;
/** As the kernel has it: below are the ports of known services, which whoever is no root cannot take, either. */
export const relayedPortMin = 1_024;

/** Undefined: the node named one that is not relayed. */
export function relayedPort(row: { proxy_port: number | null }): number | undefined {
  const port = row.proxy_port ?? usualPort;
  return port < relayedPortMin ? undefined : port;
}
