/** How a certificate whose signatures hold stands now: revoked, expired, good, or nobody can say. */
import { AttestRefused } from '../attest-refused.ts';
import type { Trust } from '../keys/trust.ts';
import { instantOf } from '../statement/instant.ts';
import type { Statement } from '../statement/statement-schema.ts';
import { skewMs } from './check-bundle.ts';
import type { Verdict } from './certificate-report.ts';
import { openRevocations, type Revocation, type RevocationList } from './revocations.ts';

export type StandingOptions = {
  /** Unix milliseconds. */
  now: number;
  /** The signed list. Without it the verdict is `revocation_unknown`, unless `revocationsUnknown` says that this is known. */
  revocations?: Uint8Array | undefined;
  /** The caller takes it on himself that the certificate may have been revoked. */
  revocationsUnknown?: boolean | undefined;
};

/** What of a certificate a revocation can hit. */
export type Revocable = {
  statement: Statement;
  /** Keys its validity rests on. */
  keyids: readonly string[];
  /** When it was logged, Unix milliseconds; undefined without a proof: then it may be from after a key was stolen. */
  loggedAt: number | undefined;
};

/** The first revocation that hits; undefined when none does. */
export function revocationOf(
  { revocations }: Pick<RevocationList, 'revocations'>,
  one: Revocable,
): Revocation | undefined {
  const { certificate_id, verifiers } = one.statement.predicate.labmesh;
  return revocations.find((each) => {
    if (each.certificate_id !== undefined) return each.certificate_id === certificate_id;
    if (each.verifier_digest !== undefined) return verifiers.some(({ digest }) => digest === each.verifier_digest);
    const isBefore = one.loggedAt !== undefined && one.loggedAt < instantOf(each.time);
    return one.keyids.includes(each.keyid ?? '') && !isBefore;
  });
}

export type Standing = { verdict: Verdict; reason: string | undefined; notProven: string[] };

/** The list, or why there is none to go by. A false list is no fault of the certificate: nothing is known then. */
async function readList(file: Uint8Array | undefined, trust: Trust): Promise<RevocationList | string> {
  if (file === undefined) return 'no revocation list was given';
  try {
    return await openRevocations(file, trust);
  } catch (error) {
    if (error instanceof AttestRefused) return `the revocation list is not good: ${error.message}`;
    throw error;
  }
}

/** @throws AttestRefused KEY_WINDOW for one from the future */
export async function standingOf(
  one: Revocable,
  trust: Trust,
  { now, revocations, revocationsUnknown }: StandingOptions,
): Promise<Standing> {
  const { expires_at, issued_at } = one.statement.predicate.labmesh;
  if (instantOf(issued_at) > now + skewMs) throw new AttestRefused('KEY_WINDOW', 'it was issued in the future');
  const list = await readList(revocations, trust);
  // A stale list still proves what stands in it.
  const revoked = typeof list === 'string' ? undefined : revocationOf(list, one);
  if (revoked) return { verdict: 'revoked', reason: `revoked: ${revoked.reason} (${revoked.time})`, notProven: [] };
  if (expires_at !== null && now >= instantOf(expires_at)) {
    return { verdict: 'expired', reason: `expired ${expires_at}`, notProven: [] };
  }
  const unknown = typeof list === 'string' ? list : staleness(list, now);
  if (unknown === undefined) return { verdict: 'valid', reason: undefined, notProven: [] };
  const notProven = [`that it was not revoked: ${unknown}`];
  if (revocationsUnknown === true && revocations === undefined)
    return { verdict: 'valid', reason: undefined, notProven };
  return { verdict: 'revocation_unknown', reason: unknown, notProven };
}

const staleness = (list: RevocationList, now: number): string | undefined =>
  now >= instantOf(list.expires_at) ? `the revocation list expired ${list.expires_at}` : undefined;
