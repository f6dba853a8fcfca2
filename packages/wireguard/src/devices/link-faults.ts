/** An interface as it should be, and what is wrong with it now: wanted minus seen, each with its repair (spec tunnel.md N9). */
import { addAddress, addHostRoute, addressesOf, deleteAddress, routesOf } from '../netlink/addresses.ts';
import { findLink, setLinkAlias, setLinkUp } from '../netlink/links.ts';
import type { NetlinkExchange } from '../netlink/netlink-socket.ts';
import type { DeviceEvent } from '../tunnel-device.ts';

export type GuardedLink = {
  index: number;
  name: string;
  alias: string;
  mtu: number;
  address: string;
  /** The other address of the peer form; the own one at a hub. */
  peer: string;
  isV6: boolean;
  /** Host routes that must be there, by address. */
  routes: ReadonlySet<string>;
};

export type LinkFault = {
  what: Extract<DeviceEvent, { kind: 'changed' }>['what'];
  detail: string;
  repair: () => void;
};

function linkFaults(socket: NetlinkExchange, { index, alias, mtu }: GuardedLink): LinkFault[] {
  const found = findLink(socket, index);
  if (found === undefined) return [];
  const faults: LinkFault[] = [];
  if (found.alias !== alias) {
    const detail = `the mark was changed to '${found.alias}'`;
    faults.push({ what: 'link', detail, repair: () => setLinkAlias(socket, index, alias) });
  }
  const repair = () => setLinkUp(socket, index, mtu);
  if (!found.up) faults.push({ what: 'link', detail: 'the interface was taken down', repair });
  else if (found.mtu !== mtu) faults.push({ what: 'mtu', detail: `the MTU was set to ${found.mtu}`, repair });
  return faults;
}

/** Exactly one address: others are removed, the own one is set. */
export function addressFaults(socket: NetlinkExchange, link: Omit<GuardedLink, 'routes'>): LinkFault[] {
  const { index, address, peer } = link;
  const found = addressesOf(socket, index);
  const isOurs = (one: (typeof found)[number]) => one.address === address && one.peer === peer;
  const faults = found
    .filter((one) => !isOurs(one))
    .map((foreign): LinkFault => {
      const detail = `address ${foreign.address}/${foreign.prefix} was added`;
      return { what: 'address', detail, repair: () => deleteAddress(socket, index, foreign) };
    });
  if (!found.some(isOurs)) {
    const repair = () => addAddress(socket, index, address, peer);
    faults.push({ what: 'address', detail: `address ${address} was removed`, repair });
  }
  return faults;
}

function routeFaults(socket: NetlinkExchange, { index, routes, isV6 }: GuardedLink): LinkFault[] {
  if (routes.size === 0) return [];
  const found = new Set(routesOf(socket, index));
  const missing = [...routes].filter((address) => !found.has(`${address}/${isV6 ? 128 : 32}`));
  return missing.map((address) => ({
    what: 'route',
    detail: `the route to ${address} was removed`,
    repair: () => addHostRoute(socket, index, address),
  }));
}

/**
 * In the order in which they are to be repaired: routes need the interface up.
 * @param withRoutes taking an interface down loses its routes, so it is true by itself then.
 */
export function findFaults(socket: NetlinkExchange, link: GuardedLink, withRoutes: boolean): LinkFault[] {
  const faults = [...linkFaults(socket, link), ...addressFaults(socket, link)];
  return withRoutes || faults.length > 0 ? [...faults, ...routeFaults(socket, link)] : faults;
}
