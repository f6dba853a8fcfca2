/** Addresses and host routes of one interface by rtnetlink (spec tunnel.md I1, I2, 5.10). Always /32 or /128. */
import { addressBytes } from '../dataplane/ip-address.ts';
import { errnos } from '../ffi/libc.ts';
import { addressText } from './address-text.ts';
import type { MessageWriter } from './message-writer.ts';
import { NetlinkError } from './netlink-error.ts';
import { type NetlinkExchange, requestFlags } from './netlink-socket.ts';
import { attributeOf, numberAt, readAttributes } from './read-messages.ts';

export type InterfaceAddress = { index: number; address: string; prefix: number; peer: string };

const types = { newAddress: 20, deleteAddress: 21, getAddress: 22, newRoute: 24, deleteRoute: 25, getRoute: 26 };
const attributes = { peerAddress: 1, ownAddress: 2, destination: 1, outInterface: 4, gateway: 5 };
const tableMain = 254;
const tableLocal = 255;
const protocolStatic = 4;
const noDuplicateDetection = 2;
const addressHeaderBytes = 8;
const routeHeaderBytes = 12;
const { request, ack, dump, create, exclusive, replace } = requestFlags;

/** Where packets for an address go, with the kernel's numbers of table, scope and kind of route. */
export type RouteKind = { table: number; scope: number; type: number };
/** To whom the interface leads. */
export const onLink: RouteKind = { table: tableMain, scope: 253, type: 1 };
/** To this machine itself, though no interface has the address: a listener may be bound to it (H6). */
export const toHere: RouteKind = { table: tableLocal, scope: 254, type: 2 };

const familyOf = (bytes: Uint8Array) => (bytes.length === 4 ? 2 : 10);

function addressMessage(writer: MessageWriter, index: number, own: Uint8Array, peer: Uint8Array, prefix: number): void {
  // A tunnel has no neighbours that could have the address already; without this an IPv6 address is not usable at once.
  const flags = own.length === 4 ? 0 : noDuplicateDetection;
  writer.u8(familyOf(own), prefix, flags, 0).u32(index);
  writer.attribute(attributes.ownAddress, own).attribute(attributes.peerAddress, peer);
}

/** `own` as the interface's one address; with another `peer` in peer form, for which the kernel makes the one route. */
export function addAddress(socket: NetlinkExchange, index: number, own: string, peer = own): void {
  const [ownBytes, peerBytes] = [addressBytes(own), addressBytes(peer)];
  socket.exchange(`set address ${own} peer ${peer}`, (writer, seq) => {
    writer.message(types.newAddress, request | ack | create | replace, seq, () =>
      addressMessage(writer, index, ownBytes, peerBytes, ownBytes.length * 8),
    );
    return seq;
  });
}

/** An address that is not there is as good as removed. */
export function deleteAddress(socket: NetlinkExchange, index: number, found: InterfaceAddress): void {
  try {
    socket.exchange(`remove address ${found.address}`, (writer, seq) => {
      writer.message(types.deleteAddress, request | ack, seq, () =>
        addressMessage(writer, index, addressBytes(found.address), addressBytes(found.peer), found.prefix),
      );
      return seq;
    });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === errnos.EADDRNOTAVAIL)) throw error;
  }
}

/** All addresses of an interface, both families; without an index: of all interfaces. */
export function addressesOf(socket: NetlinkExchange, index = 0): InterfaceAddress[] {
  const answers = socket.exchange('list addresses', (writer, seq) => {
    writer.message(types.getAddress, request | dump, seq, () => writer.u32(0).u32(index));
    return seq;
  });
  return answers.flatMap(({ type, payload }) => {
    const owner = numberAt(payload, 4, 4);
    if (type !== types.newAddress || (index !== 0 && owner !== index)) return [];
    const found = readAttributes(payload, addressHeaderBytes);
    const peer = attributeOf(found, attributes.peerAddress);
    const own = attributeOf(found, attributes.ownAddress) ?? peer;
    if (own === undefined || peer === undefined) return [];
    return [{ index: owner, address: addressText(own), prefix: numberAt(payload, 1, 1), peer: addressText(peer) }];
  });
}

function routeMessage(writer: MessageWriter, index: number, destination: Uint8Array, kind: RouteKind): void {
  const { table, scope, type } = kind;
  writer.u8(familyOf(destination), destination.length * 8, 0, 0, table, protocolStatic, scope, type);
  writer.u32(0).attribute(attributes.destination, destination).attributeU32(attributes.outInterface, index);
}

/**
 * A hub's route for one node: /32 or /128. It may be there already.
 * @throws NetlinkError EEXIST when another interface has that route.
 */
export function addHostRoute(socket: NetlinkExchange, index: number, destination: string, kind = onLink): void {
  const bytes = addressBytes(destination);
  try {
    socket.exchange(`set route to ${destination}`, (writer, seq) => {
      const flags = request | ack | create | exclusive;
      writer.message(types.newRoute, flags, seq, () => routeMessage(writer, index, bytes, kind));
      return seq;
    });
  } catch (error) {
    const taken = error instanceof NetlinkError && error.errno === errnos.EEXIST;
    if (!taken || !routesOf(socket, index, kind).includes(`${addressText(bytes)}/${bytes.length * 8}`)) throw error;
  }
}

/** A route that is not there is as good as removed. */
export function deleteHostRoute(socket: NetlinkExchange, index: number, destination: string, kind = onLink): void {
  const bytes = addressBytes(destination);
  try {
    socket.exchange(`remove route to ${destination}`, (writer, seq) => {
      writer.message(types.deleteRoute, request | ack, seq, () => routeMessage(writer, index, bytes, kind));
      return seq;
    });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.errno === errnos.ESRCH)) throw error;
  }
}

type Route = { table: number; outIndex: number; destination: string; gateway: string | undefined };

function routesOfFamily(socket: NetlinkExchange, family: 2 | 10): Route[] {
  const answers = socket.exchange('list routes', (writer, seq) => {
    writer.message(types.getRoute, request | dump, seq, () => writer.u8(family, 0, 0, 0, 0, 0, 0, 0).u32(0));
    return seq;
  });
  return answers.flatMap(({ type, payload }) => {
    if (type !== types.newRoute) return [];
    const found = readAttributes(payload, routeHeaderBytes);
    const bytes = attributeOf(found, attributes.destination) ?? new Uint8Array(family === 2 ? 4 : 16);
    const gateway = attributeOf(found, attributes.gateway);
    return [
      {
        table: numberAt(payload, 4, 1),
        outIndex: numberAt(attributeOf(found, attributes.outInterface), 0, 4),
        destination: `${addressText(bytes)}/${numberAt(payload, 1, 1)}`,
        gateway: gateway === undefined ? undefined : addressText(gateway),
      },
    ];
  });
}

const allRoutes = (socket: NetlinkExchange) => [...routesOfFamily(socket, 2), ...routesOfFamily(socket, 10)];

/** Destinations of the interface's routes as CIDR; `0.0.0.0/0` for a default route. `toHere`: those of the local table, else of all others. */
export function routesOf(socket: NetlinkExchange, index: number, kind = onLink): string[] {
  const isWanted = ({ table, outIndex }: Route) =>
    outIndex === index && (table === tableLocal) === (kind.table === tableLocal);
  return allRoutes(socket).flatMap((route) => (isWanted(route) ? [route.destination] : []));
}

/** Routers that this machine sends by. */
export function gatewaysOf(socket: NetlinkExchange): string[] {
  return allRoutes(socket).flatMap(({ gateway }) => gateway ?? []);
}
