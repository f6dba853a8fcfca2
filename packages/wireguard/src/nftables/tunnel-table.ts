/**
 * Our own nf_tables table, held as long as its socket (spec tunnel.md I4, I13). Where the kernel knows owners (Linux
 * 5.12) nobody else can change it and it ends with the process; on older ones it must be looked at.
 */
import { errnos } from '../ffi/libc.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { TunnelError } from '../tunnel-device.ts';
import { addEarlyChain, createTable, deleteTable, readRules, readTable } from './table-requests.ts';
import { aliveRule, type Guarded, type Rule, tableName, tunnelRules } from './tunnel-rules.ts';

function isErrno(error: unknown, ...errnos: number[]): error is NetlinkError {
  return error instanceof NetlinkError && errnos.includes(error.errno);
}

function taken(table: string, cause: unknown): TunnelError {
  const fix = `see it with "nft list table inet ${table}", remove it with "nft delete table inet ${table}"`;
  const message = `the nf_tables table inet ${table} is there already and belongs to somebody else; ${fix}`;
  return new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', message, { cause });
}

export class TunnelTable implements Disposable {
  readonly name: string;
  readonly #socket: NetlinkSocket;
  readonly #guarded: Guarded;
  readonly #rules: readonly Rule[];
  readonly #sign: Uint8Array | undefined;
  #owned = false;
  #made = '';

  /**
   * Makes the table in the caller's network namespace.
   * @param owner false: as on a kernel that knows no owners.
   * @param sign given to what comes in while the table is there, for the kept table of a node.
   * @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE: a table of that name is somebody else's. NetlinkError: no
   * nf_tables, or no right.
   */
  constructor(guarded: Guarded, owner = true, sign?: Uint8Array) {
    this.#guarded = guarded;
    this.#sign = sign;
    this.name = tableName(guarded.name);
    this.#rules = tunnelRules(guarded);
    this.#socket = new NetlinkSocket('netfilter');
    try {
      this.#create(owner);
    } catch (error) {
      this.#socket[Symbol.dispose]();
      throw error;
    }
  }

  get owned(): boolean {
    return this.#owned;
  }

  #create(owner: boolean): void {
    try {
      // Making a table that exists would add our rules to somebody's.
      if (readTable(this.#socket, this.name) !== undefined) throw taken(this.name, undefined);
      createTable(this.#socket, this.name, this.#rules, owner);
      this.#owned = owner;
      this.#addSign();
    } catch (error) {
      if (isErrno(error, errnos.EEXIST, errnos.EPERM) && this.#exists()) throw taken(this.name, error);
      if (!owner || !isErrno(error, errnos.EOPNOTSUPP, errnos.EINVAL)) throw error;
      this.#create(false);
    }
    this.#made = readRules(this.#socket, this.name);
  }

  #addSign(): void {
    if (this.#sign === undefined) return;
    try {
      addEarlyChain(this.#socket, this.name, 'alive', aliveRule(this.#guarded, this.#sign));
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  #exists(): boolean {
    return readTable(this.#socket, this.name) !== undefined;
  }

  /** False: somebody removed or changed it; packets may pass that must not. */
  intact(): boolean {
    const state = readTable(this.#socket, this.name);
    if (state === undefined || state.dormant || state.owned !== this.#owned) return false;
    return this.#owned || readRules(this.#socket, this.name) === this.#made;
  }

  /** Makes it anew after it was changed. @throws like the constructor. */
  restore(): void {
    this.#remove();
    this.#create(this.#owned);
  }

  #remove(): void {
    try {
      deleteTable(this.#socket, this.name);
    } catch (error) {
      if (!isErrno(error, errnos.ENOENT)) throw error;
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#remove();
    } finally {
      this.#socket[Symbol.dispose]();
    }
  }
}
