/** Families of generic netlink have a number that the kernel gives out (spec tunnel.md 5.10). */
import { errnos } from '../ffi/libc.ts';
import { NetlinkError } from './netlink-error.ts';
import { type NetlinkExchange, requestFlags } from './netlink-socket.ts';
import { attributeOf, numberAt, readAttributes } from './read-messages.ts';

const control = 16;
const getFamily = 3;
const attributes = { id: 1, name: 2 };
export const genericHeaderBytes = 4;

/** Message type of the family; undefined: the kernel has no such family. */
export function familyId(socket: NetlinkExchange, name: string): number | undefined {
  try {
    const answers = socket.exchange(`look for the netlink family ${name}`, (writer, seq) => {
      writer.message(control, requestFlags.request | requestFlags.ack, seq, () => {
        writer.u8(getFamily, 1, 0, 0).attributeText(attributes.name, name);
      });
      return seq;
    });
    const found = answers.flatMap(({ payload }) => readAttributes(payload, genericHeaderBytes));
    const id = numberAt(attributeOf(found, attributes.id), 0, 2);
    return id === 0 ? undefined : id;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === errnos.ENOENT) return undefined;
    throw error;
  }
}
