import { compareLevels, type LevelReport, type SandboxLevel } from '@labmesh/wire/verification/sandbox';
import { levelOf, type SandboxSettings } from './sandbox-settings.ts';

export type LevelChoice = { level: SandboxLevel } | { level: undefined; reason: string };

/** What was asked, or what the operator asks of every run, whichever isolates more. */
export function askedLevel(minLevel: SandboxLevel, settings: Pick<SandboxSettings, 'minLevel'>): SandboxLevel {
  const least = levelOf(settings.minLevel);
  return compareLevels(minLevel, least) < 0 ? least : minLevel;
}

/**
 * The highest level that is ready, or the one that the settings name; never one below `asked` (verification SB1). The
 * reason tells what to install, and is of this machine's reports.
 */
export function chooseLevel(
  reports: readonly LevelReport[],
  asked: SandboxLevel,
  settings: Pick<SandboxSettings, 'level'>,
): LevelChoice {
  const named = settings.level === 'auto' ? undefined : levelOf(settings.level);
  if (named !== undefined && compareLevels(named, asked) < 0) {
    return { level: undefined, reason: `sandbox.level is ${named}, and ${asked} was asked for` };
  }
  const fits = reports.filter(({ level }) =>
    named === undefined ? compareLevels(level, asked) >= 0 : level === named,
  );
  const [best] = fits.filter(({ ready }) => ready).toSorted((a, b) => compareLevels(b.level, a.level));
  if (best !== undefined) return { level: best.level };
  const why = fits.map(({ level, reason }) => `${level}: ${reason ?? 'not ready'}`).join('; ');
  return { level: undefined, reason: why === '' ? `this program has no level from ${asked} on` : why };
}
