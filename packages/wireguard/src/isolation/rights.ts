/** Capabilities of this process, and how to get one that is missing (spec tunnel.md N6). */
import { readFileSync } from 'node:fs';

const bits = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 };
export type Right = keyof typeof bits;

/** From the text of /proc/…/status. */
export function rightsIn(status: string): Set<Right> {
  const mask = BigInt(`0x${/^CapEff:\s*([0-9a-fA-F]+)$/m.exec(status)?.[1] ?? '0'}`);
  const all = Object.keys(bits) as Right[];
  return new Set(all.filter((right) => ((mask >> BigInt(bits[right])) & 1n) === 1n));
}

export function hasRight(right: Right): boolean {
  try {
    return rightsIn(readFileSync('/proc/thread-self/status', 'utf8')).has(right);
  } catch {
    return false;
  }
}

/** The ways to give a right: the unit's line and the container's flag. */
export function howToGrant(right: Right): string {
  const flag = right.replace('CAP_', '');
  return `unit: AmbientCapabilities=${right}; container: --cap-add ${flag} --device /dev/net/tun`;
}
