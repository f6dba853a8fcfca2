import { startGateway, type Gateway, type GatewayParts } from '@labmesh/gateway/gateway';
import { CommandError } from '../command-error.ts';
import { describeHolder, portHolder } from '../doctor/port-holder.ts';
import { productVersion } from '../product-version.ts';
import type { UpValues } from './up-options.ts';

/**
 * Starts the gateway. What the system says of an address or a port becomes words that name the way out.
 * @throws CommandError: exit 8 names who has the port; OptionsError for settings that must not be
 */
export async function openGateway(values: UpValues, parts: Omit<GatewayParts, 'version'>): Promise<Gateway> {
  try {
    return await startGateway(values, { ...parts, version: productVersion });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const { host, port } = values;
    if (code === 'EADDRINUSE') {
      throw new CommandError(`port ${port} is in use by ${describeHolder(portHolder(port))}`, {
        hint: 'stop it, or take another with --port N (0 picks a free one)',
        exitCode: 8,
        cause: error,
      });
    }
    if (code === 'EACCES') {
      const hint = 'ports below 1024 need a right of their own; take another with --port N';
      throw new CommandError(`port ${port} may not be opened by this user`, { hint, cause: error });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new CommandError(`${host} is not an address of this machine`, {
        hint: 'leave --host out to use 127.0.0.1',
        exitCode: 2,
        cause: error,
      });
    }
    throw error;
  }
}
