/**
 * Joins that share a commit: a disk that takes 5 ms for one takes no longer for eight. Each stands in a savepoint, so that
 * one that is refused leaves nothing behind and takes no other with it.
 */
import type { Csr } from '@labmesh/pki/csr';
import type { Writer } from '@labmesh/store/store';
import type { Enroll } from '@labmesh/wire/fleet/enrolment';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { sql } from 'kysely';
import type { Joined } from './joining.ts';

export type JoinTry = { request: Enroll; csr: Csr; sourceIp: string };
export type JoinOutcome = { joined: Joined } | { refused: unknown };
type Join = (tx: Writer, one: JoinTry) => Promise<Joined>;

const savepoint = sql`savepoint one_join`;
const undo = sql`rollback to savepoint one_join`;
const release = sql`release savepoint one_join`;

/**
 * Does them one after the other in the caller's transaction. @throws what `join` throws when it is the only one; else what
 * is no refusal of ours, after which the transaction is lost.
 */
export async function joinEach(tx: Writer, tries: readonly JoinTry[], join: Join): Promise<JoinOutcome[]> {
  const [only] = tries;
  if (only !== undefined && tries.length === 1) return [{ joined: await join(tx, only) }];
  const outcomes: JoinOutcome[] = [];
  for (const one of tries) {
    await savepoint.execute(tx);
    try {
      outcomes.push({ joined: await join(tx, one) });
    } catch (error) {
      if (!(error instanceof FleetError)) throw error;
      await undo.execute(tx);
      outcomes.push({ refused: error });
    }
    await release.execute(tx);
  }
  return outcomes;
}

/** Commits a group; when something nobody foresaw spoils it, each on its own, so that only one of them meets it. */
export async function joinTogether(
  tries: readonly JoinTry[],
  commit: (group: readonly JoinTry[]) => Promise<JoinOutcome[]>,
): Promise<JoinOutcome[]> {
  try {
    return await commit(tries);
  } catch (error) {
    // The store is away or busy, for one as for all.
    if (tries.length === 1 || error instanceof FleetError) throw error;
  }
  const outcomes: JoinOutcome[] = [];
  for (const one of tries) {
    outcomes.push(...(await commit([one]).catch((refused: unknown): JoinOutcome[] => [{ refused }])));
  }
  return outcomes;
}
