import type { OperationOf } from '@labmesh/wire/fleet/operations';
import type { FleetView } from '../../hub/fleet-view.ts';
import type { ClientSockets } from '../../relay/client-sockets.ts';
import type { Call } from '../handler.ts';
import { serverFor } from '../handlers/server-handlers.ts';
import { InnerChannel } from './inner-channel.ts';
import { logStream, openOfQuery } from './log-stream.ts';

export type ServerLogParts = { view: FleetView; clients: Pick<ClientSockets, 'accept'> };

/** Judged like any read of a server, and then as the OPEN that it is. @throws FleetError as refused by either */
export async function serverLog(
  call: Call<OperationOf<'stream-server-log'>>,
  { view, clients }: ServerLogParts,
): Promise<Response> {
  const server = await serverFor(call, view, 'logs');
  const open = openOfQuery(server.row.id, call.query, call.headers);
  return logStream(await InnerChannel.open(clients, call.caller, open), call.signal);
}
