import { addressBytes } from '../dataplane/ip-address.ts';

/** Whether an address lies in a network such as `10.90.0.0/16`. @throws RangeError when either is none. */
export function isInNetwork(address: string, network: string): boolean {
  const [base = '', length = ''] = network.split('/');
  const [a, b] = [addressBytes(address), addressBytes(base)];
  const bits = length === '' ? b.length * 8 : Number(length);
  if (!Number.isInteger(bits) || bits < 0 || bits > b.length * 8) throw new RangeError('not a network');
  if (a.length !== b.length) return false;
  return a.every((byte, i) => {
    const ours = Math.min(8, Math.max(0, bits - i * 8));
    const mask = (0xff << (8 - ours)) & 0xff;
    return ((byte ^ (b[i] ?? 0)) & mask) === 0;
  });
}
