/** `host:port` as the addresses behind it, tried in turn; the last good one stays while the resolver is away (N2). */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Endpoint } from '@labmesh/rosenpass/effects';

export type Lookup = (host: string) => Promise<readonly string[]>;

const lookupAll: Lookup = async (host) =>
  (await systemLookup(host, { all: true, order: 'verbatim' })).map(({ address }) => address);

/** A name with more addresses than this is no hub. */
const addressesMax = 16;

/** `203.0.113.4:51820`, `[2001:db8::1]:51820`, `hub.example:51820`; undefined for anything else. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const [, bracketed, plain, port] = /^(?:\[([0-9a-f:.]+)\]|([^:[\]\s]{1,253})):(\d{1,5})$/i.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  if (bracketed !== undefined && isIP(bracketed) !== 6) return undefined;
  return { host, port: Number(port) };
}

export const showEndpoint = ({ address, port }: Endpoint): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

export class NamedEndpoint {
  readonly #host: string;
  readonly #port: number;
  readonly #lookup: Lookup;
  #addresses: readonly string[] = [];
  #at = 0;

  constructor(text: { host: string; port: number }, lookup: Lookup = lookupAll) {
    this.#host = text.host;
    this.#port = text.port;
    this.#lookup = lookup;
    if (isIP(text.host) !== 0) this.#addresses = [text.host];
  }

  get isAddress(): boolean {
    return isIP(this.#host) !== 0;
  }
  /** Whether this is what the text names: then all that is known of its addresses holds on. */
  isFor({ host, port }: { host: string; port: number }): boolean {
    return host === this.#host && port === this.#port;
  }
  /** How many addresses are known of it. */
  get count(): number {
    return this.#addresses.length;
  }
  /** Where to send now; undefined before the first answer of the resolver. */
  get current(): Endpoint | undefined {
    const address = this.#addresses[this.#at];
    return address === undefined ? undefined : { address, port: this.#port };
  }

  /**
   * Asks the resolver. Keeps what it had when there is no answer; gives whether the place to send to is another one.
   * `stays`: it is not, even if the name has lost it; the new addresses have their turn by `advance` or `take`.
   */
  async resolve(stays = false): Promise<boolean> {
    if (this.isAddress) return false;
    const before = this.current?.address;
    const found = await this.#lookup(this.#host).catch(() => []);
    if (found.length === 0) return false;
    this.#addresses = found.slice(0, addressesMax);
    if (stays && before !== undefined && !this.#addresses.includes(before)) {
      this.#addresses = [...this.#addresses, before];
    }
    this.#at = Math.max(0, before === undefined ? 0 : this.#addresses.indexOf(before));
    return this.current?.address !== before;
  }

  /** This address of the name, because it answered elsewhere or here; gives whether it is another one. */
  take(address: string): boolean {
    const found = this.#addresses.indexOf(address);
    if (found < 0 || found === this.#at) return false;
    this.#at = found;
    return true;
  }

  /** The next address of the name; gives whether it is another one. */
  advance(): boolean {
    if (this.#addresses.length < 2) return false;
    this.#at = (this.#at + 1) % this.#addresses.length;
    return true;
  }
}
