/**
 * The rules of a hub whose process ends while its interface and sessions stay for the next one (spec tunnel.md H2, H3):
 * a table without owner, so that nodes reach nothing of the machine in between. The next process removes it.
 */
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { createTable, deleteTable, readTable } from './table-requests.ts';
import { type Guarded, tableName, tunnelRules } from './tunnel-rules.ts';

const keptName = (interfaceName: string) => `${tableName(interfaceName)}-kept`;

/** In the caller's network namespace. @throws NetlinkError */
export function keepTable(guarded: Guarded): void {
  removeKeptTable(guarded.name);
  using socket = new NetlinkSocket('netfilter');
  createTable(socket, keptName(guarded.name), tunnelRules(guarded), false);
}

/** Its name when there was one. @throws NetlinkError */
export function removeKeptTable(interfaceName: string): string | undefined {
  using socket = new NetlinkSocket('netfilter');
  const name = keptName(interfaceName);
  if (readTable(socket, name) === undefined) return undefined;
  deleteTable(socket, name);
  return name;
}
