import { lookup } from 'node:dns/promises';
import { isLoopback } from '@labmesh/kit/http/listen-address';
import { OptionsError } from '@labmesh/kit/options';

/** The host as it stands in a URL that works on this machine. */
export function urlHost(host: string, isWildcard: boolean): string {
  if (isWildcard) return '127.0.0.1';
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/**
 * Refuses addresses that an operator may not have meant; tells whether the address is the wildcard. The name is looked
 * up first: `0`, `00.0.0.0` and `::0` are wildcards in other spellings. @throws OptionsError (exit 8) naming the settings.
 */
export async function checkBind(options: {
  host: string;
  allowWildcard: boolean;
  openAccess: boolean;
}): Promise<{ isWildcard: boolean }> {
  const { host, allowWildcard, openAccess } = options;
  const found = JSON.stringify(host);
  const expected = 'an address of this machine';
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const address =
    bare === '' || bare === '*'
      ? '0.0.0.0'
      : await lookup(bare).then(
          (answer) => answer.address,
          () => undefined,
        );
  if (address === undefined) {
    throw new OptionsError({ source: 'gateway.host', found, expected, exitCode: 3 }, `${found} cannot be looked up`);
  }
  const isWildcard = /^(::ffff:)?0\.0\.0\.0$|^[0:]+$/.test(address);
  if (isWildcard && !allowWildcard) {
    throw new OptionsError({
      source: 'gateway.host',
      found,
      expected,
      exitCode: 8,
      hint: 'add --allow-wildcard or gateway.allow_wildcard = true to mean it',
    });
  }
  if (openAccess && !isLoopback(address)) {
    throw new OptionsError(
      { source: 'gateway.auth.open', exitCode: 8, hint: 'keep keys on, or listen on 127.0.0.1' },
      'open access is for loopback only',
    );
  }
  return { isWildcard };
}
