/** One join, of whatever kind its token is for: it is looked at, counted and written in the caller's transaction. */
import type { Writer } from '@labmesh/store/store';
import { type Principal, system } from '@labmesh/wire/fleet/principal';
import { refuseDenied } from '../denied.ts';
import { checkToken, countUse, findUse, tokenOfText, writeUse } from '../tokens/token-use.ts';
import { joinAgent, repeatJoin } from './join-agent.ts';
import type { JoinTry } from './join-group.ts';
import { joinBastion, joinService } from './join-others.ts';
import type { Joined, Joining, JoinParts } from './joining.ts';

/** Nobody is known yet: the store's door is opened by the work itself. */
export const enrolSelf = system('enroll');

/** @throws FleetError as `Enrolment.enroll` says. */
export async function joinOne(
  tx: Writer,
  parts: JoinParts,
  { request, csr, sourceIp }: JoinTry,
  now: number,
): Promise<Joined> {
  const token = await tokenOfText(tx, request.token);
  const issuedBy: Principal = { ...enrolSelf, name: token.prefix };
  const joining: Joining = { token, request, csr, sourceIp, issuedBy, now };
  const { keyHash } = csr;
  const use = await findUse(tx, token.id, keyHash);
  const repeated = use === undefined ? undefined : await repeatJoin(tx, parts, use, joining);
  if (repeated !== undefined) return repeated;
  checkToken(token, { hostname: request.hostname, macs: request.macs, sourceIp }, now);
  await refuseDenied(tx, { keyHash, machineId: request.machineId });
  await countUse(tx, token, now);
  const joined = await joinByKind(tx, parts, joining);
  const serial = joined.state === 'waiting' ? '' : joined.issued.serial;
  await writeUse(tx, { tokenId: token.id, keyHash, serverId: joined.place.serverId, serial }, now);
  return joined;
}

function joinByKind(tx: Writer, parts: JoinParts, joining: Joining): Promise<Joined> {
  if (joining.token.kind === 'bastion') return joinBastion(tx, parts, joining);
  if (joining.token.kind === 'service') return joinService(tx, parts, joining);
  return joinAgent(tx, parts, joining);
}
