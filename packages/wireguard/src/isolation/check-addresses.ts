/**
 * Which addresses a tunnel may have (spec tunnel.md I10, network-plane.md S7). They come from a controller that is not
 * trusted: one that names the router or a neighbour would draw their traffic into the tunnel.
 */
import { isIP } from 'node:net';
import { readFileSync } from 'node:fs';
import { addressesOf, gatewaysOf, type InterfaceAddress } from '../netlink/addresses.ts';
import type { NetlinkExchange } from '../netlink/netlink-socket.ts';
import { plainAddress } from '../dataplane/ip-address.ts';
import { TunnelError } from '../tunnel-device.ts';
import { isInNetwork } from './cidr.ts';

export const mtuRange = { min: 1280, max: 1420 } as const;

/** What is taken on this machine. */
export type HostAddresses = {
  /** Of all interfaces but our own. */
  interfaces: readonly Omit<InterfaceAddress, 'index'>[];
  gateways: readonly string[];
  resolvers: readonly string[];
};

export type WantedAddresses = {
  own: string;
  /** The hub's address, at a node. */
  peer?: string;
  range: string;
  mtu: number;
};

/** Nameservers in the text of resolv.conf. */
export function resolversIn(text: string): string[] {
  const lines = text.split('\n').map((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '');
  return lines.map((line) => line.split('%')[0] ?? '').filter((address) => isIP(address) !== 0);
}

/** @param ownIndex our own interface, whose addresses do not count. */
export function hostAddresses(socket: NetlinkExchange, ownIndex: number | undefined): HostAddresses {
  let resolvers: string[] = [];
  try {
    resolvers = resolversIn(readFileSync('/etc/resolv.conf', 'utf8'));
  } catch {
    // A machine without resolvers.
  }
  const interfaces = addressesOf(socket).filter(({ index }) => index !== ownIndex);
  return { interfaces, gateways: gatewaysOf(socket), resolvers };
}

function refused(rule: string): never {
  throw new TunnelError('TUNNEL_ADDRESS_REFUSED', rule, { exitCode: 5 });
}

function checkOne(what: string, address: string, range: string, host: HostAddresses): void {
  if (isIP(address) === 0 || plainAddress(address) !== address) refused(`${what} is not an IP address`);
  if (!isInNetwork(address, range)) refused(`${what} ${address} is outside of the range ${range}`);
  for (const { address: taken, prefix, peer } of host.interfaces) {
    if (taken === address || peer === address) refused(`${what} ${address} is an address of this machine`);
    // The scope of link addresses says nothing about who is near.
    if (isInNetwork(address, `${peer}/${prefix}`))
      refused(`${what} ${address} is in this machine's network ${peer}/${prefix}`);
  }
  if (host.gateways.includes(address)) refused(`${what} ${address} is a gateway of this machine`);
  if (host.resolvers.includes(address)) refused(`${what} ${address} is a resolver of this machine`);
}

/** @throws TunnelError TUNNEL_ADDRESS_REFUSED with the rule. */
export function checkAddresses({ own, peer, range, mtu }: WantedAddresses, host: HostAddresses): void {
  if (!Number.isInteger(mtu) || mtu < mtuRange.min || mtu > mtuRange.max) {
    refused(`the MTU ${mtu} is not within ${mtuRange.min} to ${mtuRange.max}`);
  }
  try {
    isInNetwork(range.split('/')[0] ?? '', range);
  } catch {
    refused(`the range ${range} is not a network`);
  }
  checkOne('the tunnel address', own, range, host);
  if (peer === undefined) return;
  checkOne("the hub's tunnel address", peer, range, host);
  if (peer === own) refused(`the tunnel address ${own} is the hub's too`);
}
