/** Verifiers as `/verifiers` shows them: what they are, how they did, and whether their level is ready. */
import type { Clock } from '@labmesh/kit/clock';
import type { LevelReport, SandboxRunner } from '@labmesh/wire/verification/sandbox';
import { bestLevel } from '../programs/best-level.ts';
import type { VerifierView } from '../verification.ts';
import type { ActiveVerifier } from './finding-verdict.ts';
import type { VerifierStats } from './verifier-stats.ts';

/** The levels are asked for a page: it shall not wait for an executor that hangs. */
const levelsWaitMs = 2000;

async function levelsOf(runner: SandboxRunner, clock: Clock): Promise<readonly LevelReport[] | undefined> {
  const waiting = new AbortController();
  const late = clock.sleep(levelsWaitMs, waiting.signal).then(() => undefined);
  // Ended below when the levels came first.
  late.catch(() => undefined);
  try {
    return await Promise.race([runner.levels(), late]);
  } catch {
    return undefined;
  } finally {
    waiting.abort();
  }
}

type Standing = Pick<VerifierView, 'status' | 'reason'>;

function standingOf(
  active: ActiveVerifier,
  levels: readonly LevelReport[] | undefined,
  lastError: string | null,
): Standing {
  const { minLevel } = active.verifier;
  if (minLevel !== null && levels === undefined) return { status: 'offline', reason: 'the executor does not answer' };
  if (minLevel !== null && bestLevel(levels ?? [], minLevel) === undefined) {
    const reason = levels?.find(({ level }) => level === minLevel)?.reason;
    return { status: 'offline', reason: reason ?? `${minLevel} is not ready, nor is a higher level` };
  }
  return lastError === null
    ? { status: 'online', reason: null }
    : { status: 'degraded', reason: `the last check gave ${lastError}` };
}

const types = ['text', 'parse', 'tool', 'execution'] as const;

function sandboxOf({ verifier: { minLevel } }: ActiveVerifier, levels: readonly LevelReport[] | undefined) {
  if (minLevel === null) return { engine: 'in-process', tools: {} };
  const best = bestLevel(levels ?? [], minLevel);
  if (best === undefined) return { engine: null, tools: {} };
  return { engine: [best.backend, best.version].filter((word) => word !== null).join(' '), tools: best.tools };
}

function viewOf(
  active: ActiveVerifier,
  levels: readonly LevelReport[] | undefined,
  stats: VerifierStats,
): VerifierView {
  const { verifier, digest, hard, enabled } = active;
  const { name, description, version, minLevel } = verifier;
  const { lastError, ...did } = stats.of(active);
  const standing = standingOf(active, levels, lastError);
  const looks = did.checks + did.cached;
  return {
    name,
    description,
    version,
    digest,
    class: verifier.class,
    type: types[verifier.class],
    ...sandboxOf(active, levels),
    minLevel,
    hard,
    enabled,
    ...standing,
    ...did,
    cacheHitRate: looks === 0 ? null : did.cached / looks,
  };
}

export async function describeVerifiers(
  active: readonly ActiveVerifier[],
  { runner, clock, stats }: { runner: SandboxRunner; clock: Clock; stats: VerifierStats },
): Promise<VerifierView[]> {
  const levels = await levelsOf(runner, clock);
  return active.map((one) => viewOf(one, levels, stats));
}
