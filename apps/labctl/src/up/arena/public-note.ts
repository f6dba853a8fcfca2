import { type SandboxSettings, levelNames } from '@labmesh/executor/sandbox-settings';
import { isLoopback } from '@labmesh/kit/http/listen-address';

/**
 * What an operator should know whose API others can reach while code of answers may run at a level that shares this
 * machine's kernel (verification SB1). Undefined where there is nothing to tell.
 * @param host where the gateway listens
 */
export function publicNote(host: string, { minLevel }: Pick<SandboxSettings, 'minLevel'>): string | undefined {
  const isBelow = levelNames.indexOf(minLevel) < levelNames.indexOf('L2');
  if (!isBelow || host === 'localhost' || isLoopback(host.replace(/^\[(.*)\]$/, '$1'))) return undefined;
  return (
    `others can reach this API, and code of answers may run below L2, in a sandbox that shares this machine's kernel ` +
    `(sandbox.min_level is ${minLevel}); do not offer that to people you do not know`
  );
}
