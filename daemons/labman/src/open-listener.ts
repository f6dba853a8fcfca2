import type { Handler, HttpServer } from '@labmesh/kit/http/exchange';
import { startRawServer } from '@labmesh/kit/http/raw-server';
import type { Logger } from '@labmesh/kit/log';
import { type ListenAddress, showListenAddress } from '@labmesh/kit/http/listen-address';

/** The address is taken by somebody else. */
export class AddressInUseError extends Error {
  readonly exitCode = 6;
  override name = 'AddressInUseError';
}

/**
 * Listens on one address with one handler. `key` names the setting in the error.
 * @throws AddressInUseError, or what the system says otherwise.
 */
export function openListener(
  key: string,
  address: ListenAddress,
  handler: Handler,
  log: Logger,
  bodyBytesMax?: number,
): HttpServer {
  try {
    return startRawServer({
      hostname: address.host,
      port: address.port,
      handler,
      limits: bodyBytesMax === undefined ? {} : { bodyBytesMax },
      onHandlerError: (error) => log.error('a request met a fault of ours', { error }),
    });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    const way = 'stop the program that has it or write another port';
    throw new AddressInUseError(`${key}: ${showListenAddress(address)} is in use; ${way}`);
  }
}
