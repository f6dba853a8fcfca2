/** Where a forward may go: by address, after the name was resolved, so that no name leads round it (PF-1). */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { Refused } from '../session-run.ts';

const refused = new BlockList();
/** Link-local, and with it the metadata services of clouds, which give out credentials. */
refused.addSubnet('169.254.0.0', 16, 'ipv4');
refused.addSubnet('fe80::', 10, 'ipv6');
/** The same services where they have other addresses. */
refused.addAddress('fd00:ec2::254', 'ipv6');
refused.addAddress('100.100.100.200', 'ipv4');
/** "This host": would be loopback under a name that is not. */
refused.addAddress('0.0.0.0', 'ipv4');
refused.addAddress('::', 'ipv6');
/** IPv4 behind a translator, whose last four bytes are any of the above. */
refused.addSubnet('64:ff9b::', 96, 'ipv6');

const loopback = ['127.0.0.1', '::1'];
const own = new BlockList();
own.addSubnet('127.0.0.0', 8);
own.addAddress('::1', 'ipv6');
own.addSubnet('::ffff:127.0.0.0', 104, 'ipv6');

const isLoopback = (address: string): boolean => own.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');

/** True for addresses that no forward reaches, whatever the rules say. `address` is IPv4 or IPv6, a zone allowed. */
export function isRefusedAddress(address: string): boolean {
  const [plain = ''] = address.split('%');
  const family = isIP(plain);
  if (family === 0) return true;
  return refused.check(plain, family === 4 ? 'ipv4' : 'ipv6');
}

/** Addresses to try for `host`, in order. @throws Refused not-found, denied. */
export async function targetsOf(host: string): Promise<string[]> {
  // Both loopback addresses, whatever the hosts file makes of the name.
  if (host === 'localhost') return loopback;
  const found = await lookup(host, { all: true, verbatim: true }).catch(() => []);
  const addresses = found.map(({ address }) => address);
  if (addresses.length === 0) throw new Refused('not-found', 'that host name is not known to this server');
  // labd judged the name: one that leads to this machine must not pass a rule against `localhost`.
  if (isIP(host) === 0 && addresses.some(isLoopback)) {
    throw new Refused('denied', 'that name leads to this server itself: forward to localhost');
  }
  if (addresses.some(isRefusedAddress)) throw new Refused('denied', 'link-local and metadata addresses are refused');
  return addresses;
}
