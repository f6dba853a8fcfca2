import { OptionsError } from '@labmesh/kit/options';
import { isLoopback } from './authenticate.ts';

const wildcards = new Set(['0.0.0.0', '::', '[::]', '*', '']);

/** Reached from every network of the machine. */
export const isWildcard = (host: string): boolean => wildcards.has(host);

/** The host as it stands in a URL that works on this machine. */
export const urlHost = (host: string): string =>
  isWildcard(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;

/** Refuses addresses that an operator may not have meant. @throws OptionsError (exit 8) naming the settings. */
export function checkBind(options: { host: string; allowWildcard: boolean; openAccess: boolean }): void {
  const { host, allowWildcard, openAccess } = options;
  if (isWildcard(host) && !allowWildcard) {
    throw new OptionsError({
      source: 'gateway.host',
      found: JSON.stringify(host),
      expected: 'an address of this machine',
      exitCode: 8,
      hint: 'add --allow-wildcard or gateway.allow_wildcard = true to mean it',
    });
  }
  if (openAccess && host !== 'localhost' && !isLoopback(host)) {
    throw new OptionsError(
      { source: 'gateway.auth.open', exitCode: 8, hint: 'keep keys on, or listen on 127.0.0.1' },
      'open access is for loopback only',
    );
  }
}
