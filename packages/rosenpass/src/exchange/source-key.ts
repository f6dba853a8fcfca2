import type { Endpoint } from '../effects.ts';

const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

/** The endpoint with an IPv4-mapped address as IPv4: a dual-stack socket shows the same sender in that form. */
export function normalized({ address, port }: Endpoint): Endpoint {
  return { address: mapped.exec(address)?.[1] ?? address, port };
}

const groups = (part: string | undefined) =>
  // An IPv4 tail takes the place of two groups; it never reaches into the first four.
  part === undefined || part === ''
    ? []
    : part.split(':').flatMap((group) => (group.includes('.') ? ['0', '0'] : [group]));

/** Whom a rate is kept for: an IPv4 address, or the /64 of an IPv6 address, which is what one host can have (D3). */
export function sourceKey(address: string): string {
  if (!address.includes(':')) return address;
  const [left, right] = (address.split('%')[0] ?? '').split('::');
  const [head, tail] = [groups(left), groups(right)];
  const zeros = Math.max(0, 8 - head.length - tail.length);
  const all = right === undefined ? head : [...head, ...Array<string>(zeros).fill('0'), ...tail];
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
