/** What a killed process left in the host's namespace: its interface and, on old kernels, its table (spec tunnel.md N5, I12). */
import { deleteLink, findLink } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { removeKeptTable } from '../nftables/kept-table.ts';
import { deleteTable, readTable } from '../nftables/table-requests.ts';
import { tableName } from '../nftables/tunnel-rules.ts';
import type { DeviceConfig } from '../tunnel-device.ts';

const ourKinds = ['wireguard', 'tun'];

/**
 * Removes what bears our name, kind and mark, and nothing else; gives what was removed, as text. Only for when no
 * daemon of this interface runs.
 * @throws NetlinkError without the right.
 */
export function removeLeftovers({ name, alias }: Pick<DeviceConfig, 'name' | 'alias'>): string[] {
  const removed = removeLink(name, alias);
  // Its tables guard it.
  return removed === 'of the other end' ? [] : [...removed, ...removeTables(name)];
}

function removeLink(name: string, alias: string): string[] | 'of the other end' {
  using socket = new NetlinkSocket('route');
  const found = findLink(socket, name);
  if (found?.alias.startsWith('labmesh:') === true && found.alias !== alias) return 'of the other end';
  if (found === undefined || found.alias !== alias || !ourKinds.includes(found.kind)) return [];
  deleteLink(socket, found.index);
  return [`interface ${name}`];
}

/** One that has an owner ends with it. */
function removeTables(name: string): string[] {
  let socket: NetlinkSocket;
  try {
    socket = new NetlinkSocket('netfilter');
  } catch {
    // A kernel without netfilter has no tables.
    return [];
  }
  using tables = socket;
  const table = tableName(name);
  const state = readTable(tables, table);
  const isOurs = state !== undefined && !state.owned;
  if (isOurs) deleteTable(tables, table);
  const removed = [isOurs ? table : undefined, removeKeptTable(name)];
  return removed.flatMap((each) => (each === undefined ? [] : [`nf_tables table inet ${each}`]));
}
