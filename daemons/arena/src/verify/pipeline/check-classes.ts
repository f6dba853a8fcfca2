/**
 * The classes in order, inside one everything side by side (V5):
 *
 *     text ──► parse ──► tool ──► execution
 *       └ a hard fail: the later classes of that candidate are skipped, never those of another
 */
import type { Verdict } from '@labmesh/wire/verification/verdict';
import type { Candidate } from '../../contract/candidate.ts';
import type { VerifierClass } from '../../contract/verifier.ts';
import { afterHardFailure, neededVerdict } from '../bracket-verifiers.ts';
import { attempt, type AttemptParts } from './attempt.ts';
import { type ActiveVerifier, verdictOf } from './finding-verdict.ts';
import type { Slots } from './slots.ts';
import type { VerdictCache } from './verdict-cache.ts';
import type { VerifierStats } from './verifier-stats.ts';
import { runnerFor, turnOf, type Whose } from './whose-work.ts';

export const checksPerRun = 4;
const classes: readonly VerifierClass[] = [0, 1, 2, 3];

/** Equal candidates: looked at once, told under all their indices. */
export type Group = {
  candidate: Candidate;
  /** Undefined: cannot be hashed, so it is neither merged nor cached. */
  key: string | undefined;
  indices: number[];
  verdicts: Map<ActiveVerifier, Verdict>;
};

export type CheckParts = AttemptParts & {
  whose: Whose;
  /** Of the whole process. */
  slots: Slots;
  /** Of its run. */
  runSlots: Slots;
  cache: VerdictCache;
  stats: VerifierStats;
  /** What beside verifier and candidate makes a verdict another: tenant and suite. */
  scope: string;
  /** Names of verifiers that have to pass. */
  needed: readonly string[];
  tell: (group: Group, verdict: Verdict) => void;
};

const hardFailure = (group: Group) =>
  [...group.verdicts.values()].find(({ status, hard }) => status === 'failed' && hard)?.pluginName;

/** Not `passed`: it was not looked at. The outcome is invalid anyway. */
const skippedAfter = (active: ActiveVerifier, name: string) =>
  verdictOf(
    active,
    { status: 'skipped', message: `not looked at: ${name} failed`, details: {}, code: afterHardFailure },
    0,
  );

function checks(parts: CheckParts, active: ActiveVerifier, groups: readonly Group[]) {
  const isNeeded = parts.needed.includes(active.verifier.name);
  const settle = (group: Group, found: Verdict) => {
    const verdict = isNeeded ? neededVerdict(found) : found;
    group.verdicts.set(active, verdict);
    parts.tell(group, verdict);
  };
  const keyOf = ({ key }: Group) =>
    key === undefined ? undefined : `${parts.scope}/${active.digest}/${active.hard}/${key}`;
  const fresh = groups.filter((group) => {
    const key = keyOf(group);
    const before = key === undefined ? undefined : parts.cache.get(key);
    if (before === undefined) return true;
    parts.stats.cached(active);
    settle(group, before);
    return false;
  });
  const turn = turnOf(parts.whose);
  const together = active.verifier.verifyBatch === undefined ? fresh.map((group) => [group]) : [fresh];
  return together
    .filter((unit) => unit.length > 0)
    .map(async (unit) => {
      const { signal } = parts.context;
      const candidates = unit.map(({ candidate }) => candidate);
      const run = () => attempt(parts, active, candidates);
      const verdicts = await parts.runSlots.use(turn, signal, () => parts.slots.use(turn, signal, run));
      unit.forEach((group, index) => {
        const verdict = verdicts[index];
        if (verdict === undefined) return;
        const key = keyOf(group);
        if (key !== undefined) parts.cache.put(key, verdict);
        parts.stats.checked(active, verdict);
        settle(group, verdict);
      });
    });
}

/** Fills the groups' verdicts. @throws the signal's reason, BoundPassed */
export async function checkClasses(
  given: CheckParts,
  verifiers: readonly ActiveVerifier[],
  groups: readonly Group[],
): Promise<void> {
  const runner = runnerFor(given.context.runner, given.whose);
  const parts = { ...given, context: { ...given.context, runner } };
  for (const step of classes) {
    const here = verifiers.filter(({ verifier }) => verifier.class === step);
    const failedBefore = new Map(groups.map((group) => [group, hardFailure(group)]));
    const open = groups.filter((group) => failedBefore.get(group) === undefined);
    await Promise.all(here.flatMap((active) => checks(parts, active, open)));
    for (const [group, name] of failedBefore) {
      if (name === undefined) continue;
      for (const active of here) {
        const verdict = skippedAfter(active, name);
        group.verdicts.set(active, verdict);
        parts.tell(group, verdict);
      }
    }
  }
}
