import { compareLevels, type LevelReport, type SandboxLevel } from '@labmesh/wire/verification/sandbox';

/** The best level that is ready and will do: the one that the executor takes. */
export function bestLevel(levels: readonly LevelReport[], least: SandboxLevel): LevelReport | undefined {
  const able = levels.filter(({ level, ready }) => ready && compareLevels(level, least) >= 0);
  return able.toSorted((one, other) => compareLevels(other.level, one.level))[0];
}
