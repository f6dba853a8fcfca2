/** Interfaces with their addresses and routes as the kernel has them now, for whoever asks what is really there. */
import { isForwarding } from '../isolation/interface-settings.ts';
import { addressesOf, type InterfaceAddress, routesOf } from '../netlink/addresses.ts';
import { type Link, listLinks } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';

export type SeenInterface = Link & {
  addresses: Omit<InterfaceAddress, 'index'>[];
  /** Destinations as CIDR, without those of the local table. */
  routes: string[];
  /** IPv4. */
  isForwarding: boolean;
};

/** A machine with more is told about the first ones. */
export const seenInterfacesMax = 64;

/** Of the caller's network namespace; `wanted` chooses by name. @throws NetlinkError */
export function seeInterfaces(wanted: (name: string) => boolean = () => true): SeenInterface[] {
  using socket = new NetlinkSocket('route');
  const links = listLinks(socket).filter(({ name }) => wanted(name));
  return links.slice(0, seenInterfacesMax).map((link) => ({
    ...link,
    addresses: addressesOf(socket, link.index).map(({ address, prefix, peer }) => ({ address, prefix, peer })),
    routes: routesOf(socket, link.index),
    isForwarding: isForwarding(link.name) ?? false,
  }));
}
