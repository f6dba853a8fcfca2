/** Tunnel addresses (H5): IPv4 of `conplane.range`; the first is the hub's, nodes get the lowest free one after it. */

export type AddressRange = {
  /** Network address. */
  readonly base: number;
  /** Broadcast address. */
  readonly last: number;
  /** The hub's, without prefix length. */
  readonly hub: string;
};

const prefixMin = 8;
/** Hub and one node. */
const prefixMax = 30;

const textOf = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

function numberOf(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split('.').map(Number);
  return parts.every((part) => part <= 255) ? parts.reduce((sum, part) => sum * 256 + part, 0) : undefined;
}

/** `10.90.0.0/16`; undefined unless it is an IPv4 network of /8 to /30 written by its first address. */
export function parseAddressRange(text: string): AddressRange | undefined {
  const [, network = '', prefix = ''] = /^([\d.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const base = numberOf(network);
  const bits = Number(prefix);
  if (base === undefined || prefix === '' || bits < prefixMin || bits > prefixMax) return undefined;
  const size = 2 ** (32 - bits);
  if (base % size !== 0) return undefined;
  return { base, last: base + size - 1, hub: textOf(base + 1) };
}

/** Whether a node may have this address: settings change, rows stay. */
export function contains(range: AddressRange, text: string): boolean {
  const address = numberOf(text);
  return address !== undefined && address > range.base + 1 && address < range.last;
}

/** The lowest address of a node that is not taken; undefined when the range is full. */
export function lowestFree(range: AddressRange, taken: ReadonlySet<string>): string | undefined {
  for (let address = range.base + 2; address < range.last; address++) {
    const text = textOf(address);
    if (!taken.has(text)) return text;
  }
  return undefined;
}
