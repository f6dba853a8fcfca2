/** What is looked at before anything of a request is believed: host, origin, address length (LD-5, AP-4). */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

export const urlBytesMax = 8 * 1024;

const loopbackNames = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Host names under which we may be called: those of our own addresses, and loopback. */
export function allowedHosts(urls: readonly (string | undefined)[]): ReadonlySet<string> {
  const own = urls.flatMap((url) => (url === undefined ? [] : [new URL(url).hostname.toLowerCase()]));
  return new Set([...loopbackNames, ...own]);
}

/** Path and query of an address: what the request line held. */
export function pathOf(url: string): string {
  const at = url.indexOf('/', url.indexOf('://') + 3);
  return at === -1 ? '/' : url.slice(at);
}

const hostName = (host: string): string => host.toLowerCase().replace(/:\d+$/, '');

/**
 * Refuses what a browser of another site sends, and names that are not ours (DNS rebinding).
 * @throws FleetError ORIGIN_REFUSED, VALIDATION_FAILED.
 */
export function guardRequest(
  path: string,
  headers: Headers,
  rules: { hosts: ReadonlySet<string>; origins: readonly string[] },
): void {
  if (path.length > urlBytesMax)
    throw new FleetError('VALIDATION_FAILED', { message: `the address is longer than ${urlBytesMax} bytes` });
  const host = headers.get('host');
  if (host === null || !rules.hosts.has(hostName(host))) {
    throw new FleetError('ORIGIN_REFUSED', { hint: 'call it by the host of labd.public_url' });
  }
  const origin = headers.get('origin');
  if (origin !== null && !rules.origins.includes(origin)) {
    throw new FleetError('ORIGIN_REFUSED', { hint: 'add the page’s origin to labd.allowed_origins' });
  }
}
