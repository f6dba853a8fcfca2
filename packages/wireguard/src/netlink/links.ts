/** Network interfaces by rtnetlink (spec tunnel.md 5.10). Each call is one round trip in the socket's namespace. */
import { errnos } from '../ffi/libc.ts';
import type { MessageWriter } from './message-writer.ts';
import { NetlinkError } from './netlink-error.ts';
import { type NetlinkExchange, requestFlags } from './netlink-socket.ts';
import { type Attribute, attributeOf, numberAt, readAttributes, signedAt, textOf } from './read-messages.ts';

export type Link = {
  index: number;
  name: string;
  /** `wireguard`, `tun`; '' for a device without a kind (Ethernet). */
  kind: string;
  alias: string;
  mtu: number;
  up: boolean;
};

const types = { new: 16, delete: 17, get: 18 };
const attributes = { name: 3, mtu: 4, linkInfo: 18, alias: 20, namespaceFd: 28 };
const kindAttribute = 1;
const flagUp = 1;
const headerBytes = 16;
const { request, ack, dump, create, exclusive } = requestFlags;

/** `ifinfomsg`. */
function header(writer: MessageWriter, index: number, flags = 0, change = 0): void {
  writer.u32(0).u32(index).u32(flags).u32(change);
}

function change(
  socket: NetlinkExchange,
  operation: string,
  index: number,
  write: (writer: MessageWriter) => void,
): void {
  socket.exchange(operation, (writer, seq) => {
    writer.message(types.new, request | ack, seq, () => {
      header(writer, index);
      write(writer);
    });
    return seq;
  });
}

/** @throws NetlinkError EOPNOTSUPP: the kernel has no such kind; EEXIST: the name is taken. */
export function createLink(socket: NetlinkExchange, kind: string, name: string): void {
  socket.exchange(`create ${kind} ${name}`, (writer, seq) => {
    writer.message(types.new, request | ack | create | exclusive, seq, () => {
      header(writer, 0);
      writer.attributeText(attributes.name, name);
      writer.nest(attributes.linkInfo, () => writer.attributeText(kindAttribute, kind));
    });
    return seq;
  });
}

export function deleteLink(socket: NetlinkExchange, index: number): void {
  socket.exchange(`delete interface ${index}`, (writer, seq) => {
    writer.message(types.delete, request | ack, seq, () => header(writer, index));
    return seq;
  });
}

export function setLinkUp(socket: NetlinkExchange, index: number, mtu: number): void {
  socket.exchange(`bring up interface ${index} with MTU ${mtu}`, (writer, seq) => {
    writer.message(types.new, request | ack, seq, () => {
      header(writer, index, flagUp, flagUp);
      writer.attributeU32(attributes.mtu, mtu);
    });
    return seq;
  });
}

export function setLinkDown(socket: NetlinkExchange, index: number): void {
  socket.exchange(`take down interface ${index}`, (writer, seq) => {
    writer.message(types.new, request | ack, seq, () => header(writer, index, 0, flagUp));
    return seq;
  });
}

export function setLinkMtu(socket: NetlinkExchange, index: number, mtu: number): void {
  change(socket, `set MTU ${mtu} of interface ${index}`, index, (writer) => writer.attributeU32(attributes.mtu, mtu));
}

export function setLinkAlias(socket: NetlinkExchange, index: number, alias: string): void {
  change(socket, `mark interface ${index} as ${alias}`, index, (writer) =>
    writer.attributeText(attributes.alias, alias),
  );
}

/** The interface leaves the socket's namespace; it comes up there down, without addresses. */
export function moveLink(socket: NetlinkExchange, index: number, namespaceFd: number): void {
  change(socket, `move interface ${index} to its namespace`, index, (writer) =>
    writer.attributeU32(attributes.namespaceFd, namespaceFd),
  );
}

function linkOf(payload: Uint8Array): Link {
  const found = readAttributes(payload, headerBytes);
  const info = attributeOf(found, attributes.linkInfo);
  const inner: Attribute[] = info === undefined ? [] : readAttributes(info);
  return {
    index: signedAt(payload, 4, 4),
    name: textOf(attributeOf(found, attributes.name)),
    kind: textOf(attributeOf(inner, kindAttribute)),
    alias: textOf(attributeOf(found, attributes.alias)),
    mtu: numberAt(attributeOf(found, attributes.mtu), 0, 4),
    up: (numberAt(payload, 8, 4) & flagUp) !== 0,
  };
}

/** The interface as it is now, by its name or its number; undefined: there is none. */
export function findLink(socket: NetlinkExchange, which: string | number): Link | undefined {
  try {
    const answers = socket.exchange(`look at interface ${which}`, (writer, seq) => {
      writer.message(types.get, request | ack, seq, () => {
        header(writer, typeof which === 'number' ? which : 0);
        if (typeof which === 'string') writer.attributeText(attributes.name, which);
      });
      return seq;
    });
    const answer = answers.find((one) => one.type === types.new);
    return answer === undefined ? undefined : linkOf(answer.payload);
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === errnos.ENODEV) return undefined;
    throw error;
  }
}

/** All interfaces of the socket's namespace. */
export function listLinks(socket: NetlinkExchange): Link[] {
  const answers = socket.exchange('list interfaces', (writer, seq) => {
    writer.message(types.get, request | dump, seq, () => header(writer, 0));
    return seq;
  });
  return answers.filter(({ type }) => type === types.new).map(({ payload }) => linkOf(payload));
}
