/** What stands for a caller's address in limits (RL-1): IPv4 whole, IPv6 by its /64, which is what one house gets. */

/** Eight numbers of an IPv6 address without zone; undefined when it is none. */
function groupsOf(text: string): number[] | undefined {
  const dotted = /^(.*:)(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (dotted !== null) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number);
    return groupsOf(`${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [front = [], back = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...front, ...Array<string>(missing).fill('0'), ...back];
  return all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) ? all.map((group) => parseInt(group, 16)) : undefined;
}

/** `203.0.113.9`, `2001:db8:0:1::/64`; an IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) is that IPv4 address. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address.slice(0, 64);
  const groups = groupsOf(address.replace(/%.*$/, ''));
  // No address at all: all such callers share one key rather than having none.
  if (groups === undefined) return 'unknown';
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const [high = 0, low = 0] = groups.slice(6);
  if (mapped) return [high >> 8, high & 255, low >> 8, low & 255].join('.');
  const net = groups.slice(0, 4).map((group) => group.toString(16));
  return `${net.join(':')}::/64`;
}
