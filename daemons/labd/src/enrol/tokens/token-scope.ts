/** What a token is bound to (JT-2): host name pattern, MACs, networks. */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { TokenScope } from '@labmesh/wire/fleet/tokens';
import { compileGlob } from '../../access/rules/name-glob.ts';

export type Joiner = { hostname: string; macs: readonly string[]; sourceIp: string };

const family = (address: string) => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** Whether an address lies in one of the networks. IPv4 in IPv6 clothes counts as IPv4. */
export function isInNetworks(address: string, networks: readonly string[]): boolean {
  const list = new BlockList();
  for (const network of networks) {
    const [base = '', length] = network.split('/');
    if (length === undefined) list.addAddress(base, family(base));
    else list.addSubnet(base, Number(length), family(base));
  }
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  // No address at all: a socket, or a proxy that names its client otherwise.
  return isIP(plain) !== 0 && list.check(plain, family(plain));
}

/** The first bound that the joiner is outside of; undefined when it is inside all. */
export function outsideScope(scope: TokenScope, joiner: Joiner): 'hostname' | 'macs' | 'cidrs' | undefined {
  if (scope.hostname !== null && !compileGlob(scope.hostname)(joiner.hostname)) return 'hostname';
  if (scope.macs.length > 0 && !joiner.macs.some((mac) => scope.macs.includes(mac))) return 'macs';
  if (scope.cidrs.length > 0 && !isInNetworks(joiner.sourceIp, scope.cidrs)) return 'cidrs';
  return undefined;
}
