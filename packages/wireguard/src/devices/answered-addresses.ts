/**
 * Addresses of peers that another hub has, and that this machine answers in their place (spec tunnel.md H6): a route of
 * the local table each, on the hub's own interface, so that a listener can be bound to the address and goes away with the
 * interface. The interface itself keeps its one address (I1), and nothing of this is sent to anybody.
 */
import { isInNetwork } from '../isolation/cidr.ts';
import { addHostRoute, deleteHostRoute, routesOf, toHere } from '../netlink/addresses.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { errnos } from '../ffi/libc.ts';
import type { Opening } from './open-link.ts';

/** RELAYED_NODES: a route and a listener each. */
export const answeredMax = 4_096;
/** Every so many calls the kernel's own list is believed, not ours: somebody may have removed a route. */
const lookEvery = 10;

export class AnsweredAddresses {
  readonly #opening: Pick<Opening, 'config' | 'socket' | 'index'>;
  readonly #set = new Set<string>();
  #calls = 0;

  constructor(opening: Pick<Opening, 'config' | 'socket' | 'index'>) {
    this.#opening = opening;
  }

  /** What a process that was killed has left at an interface that outlived it: nobody listens there. @throws NetlinkError */
  adopt(): void {
    const { socket, index, config } = this.#opening;
    for (const destination of routesOf(socket, index, toHere)) {
      const [address = '', length] = destination.split('/');
      if (length === '32' && address !== config.address && isInNetwork(address, config.range)) this.#set.add(address);
    }
  }

  /** The address is a peer's from now on: traffic goes to it, not to us. @throws NetlinkError */
  yield(address: string): void {
    if (!this.#set.has(address)) return;
    const { socket, index } = this.#opening;
    deleteHostRoute(socket, index, address, toHere);
    this.#set.delete(address);
  }

  /**
   * Exactly these, save what `isPeer` says is a peer's, our own address, what is outside of the range, and what another
   * interface of this machine has; gives those in force. @throws RangeError above answeredMax; NetlinkError
   */
  replace(wanted: ReadonlySet<string>, isPeer: (address: string) => boolean): ReadonlySet<string> {
    if (wanted.size > answeredMax) throw new RangeError(`a hub answers for at most ${answeredMax} addresses`);
    const { address: own, range } = this.#opening.config;
    if (this.#set.size > 0 && ++this.#calls % lookEvery === 0) {
      this.#set.clear();
      this.adopt();
    }
    for (const address of this.#set) if (!wanted.has(address)) this.yield(address);
    for (const address of wanted) {
      if (this.#set.has(address) || address === own || isPeer(address)) continue;
      if (isInNetwork(address, range)) this.#add(address);
    }
    return new Set(this.#set);
  }

  #add(address: string): void {
    const { socket, index } = this.#opening;
    try {
      addHostRoute(socket, index, address, toHere);
      this.#set.add(address);
    } catch (error) {
      // An address of this machine: taking it over would cut its own services off.
      if (!(error instanceof NetlinkError && error.errno === errnos.EEXIST)) throw error;
    }
  }
}
