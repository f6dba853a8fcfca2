import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

export type ListenAddress = { host: string; port: number };

function blockList(
  v4: ReadonlyArray<readonly [string, number]>,
  v6: ReadonlyArray<readonly [string, number]>,
): BlockList {
  const list = new BlockList();
  for (const [net, bits] of v4) list.addSubnet(net, bits, 'ipv4');
  for (const [net, bits] of v6) list.addSubnet(net, bits, 'ipv6');
  return list;
}

const loopback = blockList([['127.0.0.0', 8]], [['::1', 128]]);
const lan = blockList(
  [
    ['10.0.0.0', 8],
    ['172.16.0.0', 12],
    ['192.168.0.0', 16],
  ],
  [['fc00::', 7]],
);
// Also where cloud providers keep the machine's own credentials.
const metadata = blockList(
  [
    ['169.254.0.0', 16],
    ['100.100.100.200', 32],
    ['0.0.0.0', 8],
  ],
  [
    ['fe80::', 10],
    ['fd00:ec2::254', 128],
    ['::', 128],
  ],
);
const metadataNames = new Set(['metadata', 'metadata.google.internal']);

/** `::ffff:7f00:1` and `::ffff:127.0.0.1` as `127.0.0.1`: one address in two dresses. */
function undress(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1];
  if (dotted !== undefined) return dotted;
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(bare);
  if (hex === null) return bare;
  const [high, low] = [parseInt(hex[1] ?? '', 16), parseInt(hex[2] ?? '', 16)];
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
}

function within(list: BlockList, host: string): boolean {
  const bare = undress(host);
  const family = isIP(bare);
  return family !== 0 && list.check(bare, family === 4 ? 'ipv4' : 'ipv6');
}

/** A loopback address, or the name `localhost`: names are not looked up, that one is never asked for. */
export const isLoopback = (host: string): boolean => undress(host) === 'localhost' || within(loopback, host);
/** A private address (RFC 1918, RFC 4193). */
export const isPrivate = (host: string): boolean => within(lan, host);
/** Link-local and metadata addresses, and the unspecified one: never an LLM server. */
export const isForbiddenTarget = (host: string): boolean =>
  metadataNames.has(undress(host).replace(/\.$/, '')) || within(metadata, host);
/** Means "every address of this machine", in any of its spellings. */
export const isWildcard = (host: string): boolean => /^(?:\*|0+(?:\.0+){0,3}|[:0]*)$/.test(undress(host));

/** An IP address with or without a prefix length of at most its own. */
export function isCidr(text: string): boolean {
  const [host = '', bits, ...rest] = text.split('/');
  if (rest.length > 0 || isIP(host) === 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(host) ? 32 : 128));
}

/** Whether an address lies in a network; false when either is none. */
export function isInCidr(address: string, cidr: string): boolean {
  const [net = '', bits] = cidr.split('/');
  if (!isCidr(cidr) || bits === undefined) return false;
  const family = isIPv4(net) ? 'ipv4' : 'ipv6';
  return isIP(address) === isIP(net) && within(subnet(net, Number(bits), family), address);
}

function subnet(net: string, bits: number, family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  list.addSubnet(net, bits, family);
  return list;
}

function port(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined;
}

/**
 * `127.0.0.1`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`, and the wildcard forms `*:80`, `:80`, so that the
 * caller can refuse them by name. Undefined when it is none of these. Port 0 = a free one.
 */
export function parseListenAddress(text: string, defaultPort: number): ListenAddress | undefined {
  if (isIPv6(text)) return { host: text, port: defaultPort };
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]*))(?::(\d+))?$/i.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? '';
  const known = isIP(host) !== 0 || host === 'localhost' || isWildcard(host);
  const at = match[3] === undefined ? defaultPort : port(match[3]);
  return !known || at === undefined || text === ''
    ? undefined
    : { host: host === 'localhost' ? '127.0.0.1' : host, port: at };
}

/** `127.0.0.1:8080`, `[::1]:8080`. */
export const showListenAddress = ({ host, port: at }: ListenAddress): string =>
  `${isIPv6(host) ? `[${host}]` : host}:${at}`;
