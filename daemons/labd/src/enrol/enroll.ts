/**
 * `POST /api/auth/enroll` (JT-3 … JT-7). Everything happens in one transaction: the token's use, the server, the agent,
 * the certificate. An answer that is lost after the commit is no loss: the same token with the same key gets the same
 * certificate for 10 min, here or on another replica. Machines that come together share a commit (join-group.ts).
 */
import type { Clock } from '@labmesh/kit/clock';
import { parseCsr } from '@labmesh/pki/csr';
import type { Store, Writer } from '@labmesh/store/store';
import type { Enroll, Enrolled } from '@labmesh/wire/fleet/enrolment';
import { Batch } from '../limits/batch.ts';
import type { Caller, Noted } from '../login/caller.ts';
import { writeDenials } from '../login/end-logins.ts';
import { Turns } from '../login/turns.ts';
import { certificateFields } from '../login/user-certificates.ts';
import { waitingApproval } from './agent-certificates.ts';
import { enrolSelf, joinOne } from './joins/join-one.ts';
import { joinEach, type JoinOutcome, joinTogether, type JoinTry } from './joins/join-group.ts';
import type { Joined, JoinParts } from './joins/joining.ts';

export type EnrolmentParts = JoinParts & {
  store: Store;
  clock: Clock;
  /** Where agents connect: of all replicas. */
  agentUrls: () => readonly string[];
};

/** Joins of one commit: few, because nobody else writes meanwhile. */
const groupMax = 8;
/** Joins that wait for those at work. A rack that starts at once fits; more hear RATE_LIMITED and come again. */
const waitingMax = 2_000;

export class Enrolment {
  readonly #parts: EnrolmentParts;
  readonly #turns = new Turns({ name: 'enrol.waiting', atOnce: groupMax, waitingMax, retryAfterMs: 10_000 });
  // Joins write the same rows and read all servers: side by side they would only make each other start again.
  readonly #groups = new Batch<JoinTry, JoinOutcome>(groupMax, (tries) => this.#joinAll(tries), 0);

  constructor(parts: EnrolmentParts) {
    this.#parts = parts;
  }

  /**
   * @throws FleetError TOKEN_INVALID to whoever has not the right secret; else TOKEN_REVOKED, TOKEN_USED, TOKEN_EXPIRED,
   * TOKEN_SCOPE, SERVER_EXISTS, BANNED, REVOKED (the certificate of a repetition), WAITING_APPROVAL; KEY_TYPE_REFUSED and
   * VALIDATION_FAILED for the request.
   */
  async enroll(caller: Caller, request: Enroll): Promise<Noted<Enrolled>> {
    const one = { request, csr: parseCsr(request.csrPem), sourceIp: caller.sourceIp };
    const outcome = await this.#turns.run(() => this.#groups.add(one));
    if ('refused' in outcome) throw outcome.refused;
    const { joined } = outcome;
    // Waiting was written down and must stay, so it is an error only now.
    if (joined.state === 'waiting') throw waitingApproval(joined.place.hostname);
    return this.#answer(joined);
  }

  #joinAll(tries: readonly JoinTry[]): Promise<JoinOutcome[]> {
    const join = (tx: Writer, one: JoinTry) => joinOne(tx, this.#parts, one, this.#parts.clock.wall());
    return joinTogether(tries, (group) => writeDenials(this.#parts, enrolSelf, (tx) => joinEach(tx, group, join)));
  }

  #answer(joined: Extract<Joined, { state: 'issued' }>): Noted<Enrolled> {
    const { place, issued, how, tokenPrefix } = joined;
    const answer = {
      serverId: place.serverId,
      agentId: place.agentId,
      ...certificateFields(issued, this.#parts.authority),
      agentUrls: [...this.#parts.agentUrls()],
    };
    const details = { how, token: tokenPrefix, serial: issued.serial, agentId: place.agentId };
    return { answer, note: { resource: `${joined.type}/${place.hostname}`, resourceId: place.serverId, details } };
  }
}
