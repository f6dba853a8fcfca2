/**
 * What becomes of a machine that shows a good token (JT-7). Pure: the rows were read, nothing is written here.
 *
 *     nothing known            → fresh, or pending when the token says `approve`
 *     known, its agent deleted → rejoin: the serverId stays (CA-9)
 *     known                    → refused; with `takeover` the serverId stays and old certificates go; with `approve` that
 *                                waits for an operator
 *     known by machine id alone, and alive → a twin (a cloned disk): it waits, as a server of its own
 */

export type KnownServer = {
  serverId: string;
  hostname: string;
  /** `servers.status`. */
  status: string;
  machineId: string | null;
  macs: readonly string[];
  agentId: string | null;
  /** Heard of lately. */
  isAlive: boolean;
};
export type JoiningMachine = { hostname: string; machineId: string; macs: readonly string[] };
export type JoinRights = { takeover: boolean; approve: boolean };

export type JoinDecision =
  | { kind: 'fresh' }
  | { kind: 'rejoin' | 'takeover'; server: KnownServer }
  /** `server` undefined: a new row that waits. `isTwin`: its machine id is another's, so it is not stored. */
  | { kind: 'pending'; server: KnownServer | undefined; isTwin: boolean }
  | { kind: 'refused'; code: 'SERVER_EXISTS' | 'BANNED' };

export function decideJoin(machine: JoiningMachine, known: readonly KnownServer[], rights: JoinRights): JoinDecision {
  if (known.some((server) => server.status === 'banned')) return { kind: 'refused', code: 'BANNED' };
  const [server, ...others] = known;
  if (server === undefined)
    return rights.approve ? { kind: 'pending', server: undefined, isTwin: false } : { kind: 'fresh' };
  // Host name of one, MAC of another: taking over either would leave the other half wrong.
  if (others.length > 0) return { kind: 'refused', code: 'SERVER_EXISTS' };
  const isSameId = server.machineId === machine.machineId;
  const isSameBody = server.hostname === machine.hostname || server.macs.some((mac) => machine.macs.includes(mac));
  const isAlive = server.agentId !== null && server.isAlive;
  if (isAlive && isSameId && !isSameBody) return { kind: 'pending', server: undefined, isTwin: true };
  if (rights.approve) return { kind: 'pending', server, isTwin: false };
  if (server.agentId === null) return { kind: 'rejoin', server };
  if (!rights.takeover) return { kind: 'refused', code: 'SERVER_EXISTS' };
  // A reinstalled machine is dead while it is installed, and comes back with a new machine id.
  return isAlive && isSameId ? { kind: 'pending', server, isTwin: false } : { kind: 'takeover', server };
}
