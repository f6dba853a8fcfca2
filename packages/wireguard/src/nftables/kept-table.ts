/**
 * The table of an interface that outlives its process (spec tunnel.md I4, I8, H2): without owner, so that it is there
 * when the process was killed and its own table went with it. The next process, or `labman post`, removes it.
 *
 *     packet ─▶ alive (owned, -11): gives the sign ─▶ input (owned, -10): the proxy alone
 *                                                 └▶ input (kept, -10): a node's lacks the sign? drop
 */
import { randomBytes } from 'node:crypto';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { deleteTable, readRules, readTable, replaceTable } from './table-requests.ts';
import { type Guarded, keptRules, tableName } from './tunnel-rules.ts';

export const keptName = (interfaceName: string) => `${tableName(interfaceName)}-kept`;
const signBytes = 4;

export class KeptTable implements Disposable {
  readonly name: string;
  /** By chance, since a sender may have a say in a packet's priority (VLAN). */
  readonly sign: Uint8Array = new Uint8Array(randomBytes(signBytes));
  readonly #guarded: Guarded;
  readonly #socket: NetlinkSocket;
  #made = '';

  /** In the caller's network namespace; not in force before `restore`. @throws NetlinkError */
  constructor(guarded: Guarded) {
    this.name = keptName(guarded.name);
    this.#guarded = guarded;
    this.#socket = new NetlinkSocket('netfilter');
  }

  /** False: somebody removed or changed it, and nothing would guard the interface after our end. */
  intact(): boolean {
    const state = readTable(this.#socket, this.name);
    return state !== undefined && !state.dormant && readRules(this.#socket, this.name) === this.#made;
  }

  /** Puts it in force, in place of one from before. @throws NetlinkError */
  restore(): void {
    replaceTable(this.#socket, this.name, keptRules(this.#guarded, this.sign));
    this.#made = readRules(this.#socket, this.name);
  }

  /** Leaves the table where it is. */
  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

/** Its name when there was one. @throws NetlinkError */
export function removeKeptTable(interfaceName: string): string | undefined {
  using socket = new NetlinkSocket('netfilter');
  const name = keptName(interfaceName);
  if (readTable(socket, name) === undefined) return undefined;
  deleteTable(socket, name);
  return name;
}
