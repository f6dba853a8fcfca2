/**
 * Where labd listens inside `labctl up`: as configured, else on its usual loopback ports. Nobody chose those, and other
 * programs like them too, so one that is taken is replaced by a free one: labctl and the agent here are told each time.
 */
import { createServer } from 'node:net';
import { type Address, addressText, parseAddress } from '@labmesh/labd/settings/ground';
import { CommandError } from '../../command-error.ts';
import { describeHolder, portHolder } from '../../doctor/port-holder.ts';
import { exitCodes } from '../../exit-codes.ts';
import type { FleetSettings } from './fleet-settings.ts';

/** `nodeListen`: empty when nodes have no listener. */
export type ListenAddresses = { listen: string; agentListen: string; nodeListen: string; notes: string[] };

/** Whether somebody listens there. Other problems are the bind's own to tell. */
function isTaken({ host, port }: Address): Promise<boolean> {
  if (port === 0) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
  server.listen({ host, port, exclusive: true }, () => void server.close(() => resolve(false)));
  return promise;
}

type Wish = { key: string; what: string; address: Address; isChosen: boolean; anyPort: boolean };

async function settle({ key, what, address, isChosen, anyPort }: Wish): Promise<{ text: string; note?: string }> {
  const free = addressText({ ...address, port: 0 });
  if (!isChosen && anyPort) return { text: free };
  if (!(await isTaken(address))) return { text: addressText(address) };
  const problem = `port ${address.port} is in use by ${describeHolder(portHolder(address.port))}`;
  if (!isChosen) return { text: free, note: `${problem}: labd took a free one for ${what}; ${key} chooses` };
  throw new CommandError(`${problem}, and ${key} wants it`, {
    hint: `stop it, change ${key}, or start without the fleet: --no-fleet`,
    exitCode: exitCodes.conflict,
  });
}

/**
 * @param anyPort free ports for what is not configured (`--port 0`)
 * @throws CommandError (exit 8) that names who has a configured port; OptionsError
 */
export async function listenAddresses(
  { labd, isSet }: Pick<FleetSettings, 'labd' | 'isSet'>,
  anyPort: boolean,
): Promise<ListenAddresses> {
  const api = parseAddress(labd.listen, 'labd.listen');
  const nodes = labd.conplaneListen;
  const [listen, agentListen, nodeListen] = await Promise.all([
    settle({
      key: 'labd.listen',
      what: 'the API',
      address: labd.port === undefined ? api : { ...api, port: labd.port },
      isChosen: isSet('listen') || isSet('port'),
      anyPort,
    }),
    settle({
      key: 'labd.agent_listen',
      what: 'agents',
      address: parseAddress(labd.agentListen, 'labd.agent_listen'),
      isChosen: isSet('agentListen'),
      anyPort,
    }),
    nodes === ''
      ? { text: '', note: undefined }
      : settle({
          key: 'conplane.listen',
          what: 'nodes',
          address: parseAddress(nodes, 'conplane.listen'),
          isChosen: isSet('conplaneListen'),
          anyPort,
        }),
  ]);
  const notes = [listen.note, agentListen.note, nodeListen.note].filter((note) => note !== undefined);
  return { listen: listen.text, agentListen: agentListen.text, nodeListen: nodeListen.text, notes };
}
