import { startGateway, type Gateway, type GatewayParts } from '@labmesh/gateway/gateway';
import { CommandError } from '../command-error.ts';
import { describeHolder, portHolder } from '../doctor/port-holder.ts';
import type { UpValues } from './up-options.ts';

/** Starts the gateway. @throws CommandError (exit 8) that names who has the port. */
export async function openGateway(values: UpValues, parts: GatewayParts): Promise<Gateway> {
  try {
    return await startGateway(values, parts);
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
      throw new CommandError(`${host} is not an address of this machine`, { hint: 'leave --host out to use 127.0.0.1', exitCode: 2, cause: error });
    }
    throw error;
  }
}
