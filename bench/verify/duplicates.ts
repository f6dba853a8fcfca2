/**
 * What it saves that of equal answers one is checked (verification AR4, AC8): the same answers in the same sandbox, merged
 * as in every run, and kept apart by a field that no verifier reads; in turns, each first as often as the other.
 */
import { everyVerifier } from '@labmesh/arena/verify/built-in-verifiers';
import { makeCandidate } from '@labmesh/arena/verify/make-candidate';
import { openVerification } from '@labmesh/arena/verify/open-verification';
import { verifyDefaults } from '@labmesh/arena/verify/verify-settings';
import { systemClock } from '@labmesh/kit/clock';
import { silentLogger } from '@labmesh/kit/log';
import type { Suite } from '@labmesh/wire/verification/suite';
import { readStats, sumTree } from '../process-tree.ts';

/** The answers of one run. */
export type RunAnswers = { suite: Suite; prompt: string; answers: readonly string[] };

const ways = ['merged', 'apart'] as const;
type Way = (typeof ways)[number];

/** Of the sandbox's programs too: they are below this process, and waited for. */
const cpuMs = () => sumTree(process.pid, readStats()).cpuUs / 1_000;

function candidatesOf({ prompt, answers }: RunAnswers, way: Way) {
  const messages = [{ role: 'user' as const, content: prompt }];
  return answers.map((answer, at) =>
    makeCandidate({ messages, answer, metadata: { language: 'python', ...(way === 'apart' && { bench_index: at }) } }),
  );
}

export type DuplicateFigures = {
  /** Of the answers, those that are equal to an earlier one of their run. */
  duplicate_percent: number;
  /** Of the CPU that all would take. */
  duplicate_saved_percent: number;
  duplicate_saved_ratio_share: number;
  /** Of one run, CPU ms. */
  verifier_cpu_ms_merged: number;
  verifier_cpu_ms_apart: number;
};

/** The verdict cache is off: what is saved is the merge's alone. @throws what verification throws for a bug */
export async function measureDuplicates(runs: readonly RunAnswers[]): Promise<DuplicateFigures> {
  // It opens the sandbox as it is loaded: not for parts that need none.
  const { testRunner, closeTestRunner } = await import('@labmesh/arena/verify/testing/test-runner');
  const settings = { ...verifyDefaults, cacheMs: 0 };
  const parts = { verifiers: everyVerifier, settings, runner: testRunner, clock: systemClock, log: silentLogger };
  const { verify } = openVerification(parts);
  const spent: Record<Way, number> = { merged: 0, apart: 0 };
  const check = async (run: RunAnswers, way: Way) => {
    const from = cpuMs();
    const { signal } = new AbortController();
    await verify(candidatesOf(run, way), { tenant: 'bench', suite: run.suite, signal });
    return cpuMs() - from;
  };
  try {
    for (const run of runs.slice(0, 2)) await check(run, 'apart');
    for (const [at, run] of runs.entries()) {
      for (const way of at % 2 === 0 ? ways : ways.toReversed()) spent[way] += await check(run, way);
    }
  } finally {
    await closeTestRunner();
  }
  const all = runs.reduce((sum, { answers }) => sum + answers.length, 0);
  const distinct = runs.reduce((sum, { answers }) => sum + new Set(answers).size, 0);
  const share = (all - distinct) / all;
  const saved = 1 - spent.merged / spent.apart;
  return {
    duplicate_percent: 100 * share,
    duplicate_saved_percent: 100 * saved,
    duplicate_saved_ratio_share: saved / share,
    verifier_cpu_ms_merged: spent.merged / runs.length,
    verifier_cpu_ms_apart: spent.apart / runs.length,
  };
}
