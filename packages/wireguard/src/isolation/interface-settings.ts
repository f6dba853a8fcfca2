/**
 * The settings of our own interface that are written, and nothing else is (spec tunnel.md I1, I7, I9). They belong to
 * the network namespace of the caller.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { interfaceNameBytesMax } from '../ffi/open-tun.ts';
import { TunnelError } from '../tunnel-device.ts';

const root = '/proc/sys/net';

/** @throws RangeError for what no interface of ours may be called, `all` and `default` among them. */
export function checkInterfaceName(name: string): string {
  const plain = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name) && name.length <= interfaceNameBytesMax;
  if (!plain || name === 'all' || name === 'default') throw new RangeError('not a name for an interface');
  return name;
}

/** Read first: in many containers these files can be read only, and say what is wanted already. */
function write(path: string, value: string): void {
  try {
    if (readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? 'refused';
    const message = `${path} must be ${value} and cannot be written (${reason}); container: mount /proc/sys writable`;
    throw new TunnelError('TUNNEL_ISOLATION_UNAVAILABLE', message, { cause: error });
  }
}

const forwardingPath = (name: string) => `${root}/ipv4/conf/${checkInterfaceName(name)}/forwarding`;

/** What `closeInterface` writes, as text for the plan. */
export function interfaceSettings(name: string, isV6: boolean): string[] {
  const v6 = `net.ipv6.conf.${name}.${isV6 ? 'addr_gen_mode' : 'disable_ipv6'} = 1`;
  return [`net.ipv4.conf.${name}.forwarding = 0`, v6];
}

/**
 * Nothing is forwarded from this interface, and it gives itself no address.
 * @param isV6 the tunnel's address is a /128.
 * @throws TunnelError TUNNEL_ISOLATION_UNAVAILABLE when a setting is wrong and cannot be written.
 */
export function closeInterface(name: string, isV6: boolean): void {
  write(forwardingPath(name), '0');
  const v6 = `${root}/ipv6/conf/${checkInterfaceName(name)}`;
  // A kernel without IPv6 has nothing to switch off.
  if (!existsSync(v6)) return;
  write(`${v6}/${isV6 ? 'addr_gen_mode' : 'disable_ipv6'}`, '1');
}

/** Forwarding was switched on again (writing ip_forward does that); undefined when the interface is not there. */
export function isForwarding(name: string): boolean | undefined {
  try {
    return readFileSync(forwardingPath(name), 'utf8').trim() !== '0';
  } catch {
    return undefined;
  }
}
