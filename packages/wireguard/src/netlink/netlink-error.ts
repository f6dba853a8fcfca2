import { errnoName, errnos } from '../ffi/libc.ts';
import { TunnelError } from '../tunnel-device.ts';

/** What the kernel refused: the operation, the error's name and the kernel's own words (spec tunnel.md 2.9). */
export class NetlinkError extends TunnelError {
  readonly errno: number;
  constructor(operation: string, errno: number, kernelText = '') {
    const said = kernelText === '' ? '' : `, the kernel says: ${kernelText}`;
    const right = errno === errnos.EPERM || errno === errnos.EACCES ? '; this needs CAP_NET_ADMIN' : '';
    super('NETLINK_FAILED', `${operation}: ${errnoName(errno)}${said}${right}`);
    this.errno = errno;
  }
}
