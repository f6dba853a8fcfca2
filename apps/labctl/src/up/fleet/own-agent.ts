/**
 * The agent of this machine inside `labctl up`: enrolled by a one-time token that nobody sees, with its state in the data
 * folder. It has nothing in common with a lab-agent that was installed here: another identity, another machine id.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { Agent } from '@labmesh/agent/agent';
import type { AgentOptions } from '@labmesh/agent/agent-options';
import { AgentIdentity } from '@labmesh/agent/identity/agent-identity';
import { machineFacts } from '@labmesh/agent/identity/machine-facts';
import { systemClock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { system } from '@labmesh/wire/fleet/principal';
import type { LabdClient } from '../../client/labd-client.ts';
import { CommandError } from '../../command-error.ts';
import { productVersion } from '../../product-version.ts';
import { selfCommand } from '../../self-command.ts';
import type { OwnLabd } from './own-labd.ts';

export type OwnAgentInput = {
  dataDir: string;
  options: AgentOptions;
  own: Pick<OwnLabd, 'labd' | 'core' | 'agents'>;
  /** Over the admin socket. */
  client: LabdClient;
  log: Logger;
  signal: AbortSignal;
};

export interface OwnAgent extends AsyncDisposable {
  /** Name of this server; undefined when it could not join. */
  readonly server: string | undefined;
  readonly notes: readonly string[];
}

/** The token is used at once. */
const tokenMs = 5 * 60_000;
/** Longest wait for the first connection; it goes on trying afterwards. */
const connectMs = 3_000;
const lookMs = 5;
const who = system('up-agent');

/** A host name as labd takes it (CT-1). */
export function serverName(hostname: string): string {
  const name = hostname
    .toLowerCase()
    .replace(/[^a-z0-9.-]/g, '-')
    .slice(0, 200)
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '');
  return name === '' ? 'localhost' : name;
}

/** Of this machine and this data folder: copies of either are machines of their own. */
function machineIdOf(facts: string, replicaId: string): string {
  return createHash('sha256').update(`labmesh-up-v1\n${replicaId}\n${facts}`).digest('hex').slice(0, 32);
}

/** A name that no other machine has here. */
async function freeName({ own }: OwnAgentInput, name: string, machineId: string): Promise<string> {
  const found = await own.core.view.find(who, name);
  const isOurs = found === undefined || found.row.machine_id === machineId;
  return isOurs ? name : `${name}-${machineId.slice(0, 6)}`;
}

/**
 * Kept from an earlier start, and known to this labd. A certificate that ran out meanwhile is replaced by joining again.
 * @throws FleetError BANNED
 */
async function known({ own }: OwnAgentInput, folder: string) {
  const identity = await AgentIdentity.open(folder).catch(() => undefined);
  if (identity === undefined || identity.notAfter <= Date.now()) return undefined;
  const server = await own.core.view.find(who, identity.serverId);
  if (server?.status === 'banned') throw new FleetError('BANNED');
  return server?.row.agentId === identity.agentId ? { identity, name: server.row.hostname } : undefined;
}

/** Joins, or takes its place again when the state was lost. @throws FleetError with labd's code */
async function joinAgain(input: OwnAgentInput, folder: string): Promise<{ identity: AgentIdentity; name: string }> {
  const { options, own, client, signal } = input;
  const facts = machineFacts({ ...options, machineId: undefined }, productVersion);
  const machineId = machineIdOf(facts.machineId, own.labd.ground.replicaId);
  const name = await freeName(input, serverName(options.hostname), machineId);
  // A takeover can only meet this machine's own row: nobody else has its id, and the name is free.
  const body = { ttlMs: tokenMs, hostname: name, takeover: true };
  const { token } = await client.call('create-token', { body });
  const where = { url: own.agents, caPin: own.core.authority.bundle().pins.join(','), token };
  const enrol = () => AgentIdentity.enrol(folder, where, { ...facts, hostname: name, machineId, macs: [] }, signal);
  try {
    return { identity: await enrol(), name };
  } catch (error) {
    if (!(error instanceof FleetError) || error.code !== 'WAITING_APPROVAL') throw error;
    // Its earlier self was seen a moment ago. Whoever started this holds the data folder, so it was us.
    await client.call('approve-agent', { params: { id: name } });
    return { identity: await enrol(), name };
  }
}

async function untilConnected(agent: Agent, signal: AbortSignal): Promise<boolean> {
  const end = performance.now() + connectMs;
  while (agent.state !== 'connected' && performance.now() < end) {
    signal.throwIfAborted();
    await Bun.sleep(lookMs);
  }
  return agent.state === 'connected';
}

const absent = (note: string): OwnAgent => ({
  server: undefined,
  notes: [note],
  [Symbol.asyncDispose]: async () => {},
});

/** Never rejects for what an operator decided (a ban): that is a note. */
export async function openAgent(input: OwnAgentInput): Promise<OwnAgent> {
  const { dataDir, options, own, signal } = input;
  const folder = join(dataDir, 'agent');
  const log = input.log.child({ part: 'agent' });
  let isEnding = false;
  // We end the connection ourselves then: nothing to warn of.
  const warn: Logger['warn'] = (msg, fields) => (isEnding ? log.debug(msg, fields) : log.warn(msg, fields));
  try {
    const { identity, name } = (await known(input, folder)) ?? (await joinAgain(input, folder));
    const agent = new Agent({
      identity,
      options: { ...options, url: own.agents, urls: [], stateDir: folder },
      clock: systemClock,
      log: { ...log, warn },
      version: productVersion,
      selfCommand: selfCommand('lab-agent'),
    });
    agent.run().catch((error: unknown) => log.error('the agent ended', { error }));
    const end = async () => {
      isEnding = true;
      await agent[Symbol.asyncDispose]();
    };
    const isUp = await untilConnected(agent, signal).catch(async (error: unknown) => {
      await end();
      throw error;
    });
    const notes = isUp ? [] : ['the agent of this machine is not connected yet; it goes on trying'];
    return { server: name, notes, [Symbol.asyncDispose]: end };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FleetError) && !(error instanceof CommandError)) throw error;
    return absent(`this machine did not join labd: ${error.message}`);
  }
}
