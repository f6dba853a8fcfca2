/**
 * `lab-agent guard`, run before each start by the version that proved itself last (AG-8, AG-10). While another one is on
 * trial it counts its starts; after too many, or too late, it puts the old one back and remembers the new one as bad.
 *
 *     flip ─▶ start 1 ─▶ … connected 30 s ─▶ confirmed, no trial any more
 *               └─▶ start 2 ─▶ start 3 ─▶ start 4, or 60 s: back
 *
 * Each step may be cut by a power failure: what is decided is written first, then done, then closed.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { BadReason, Trial, UpdateFile, UpdateState } from './update-file.ts';
import type { VersionFolders } from './version-folders.ts';

export type GuardParts = { folders: VersionFolders; file: UpdateFile; clock: Clock; trialMs: number };

const startsMax = 3;

/** Why a trial is over; undefined: it goes on. */
function verdict(trial: Trial, { folders, clock, trialMs }: GuardParts): BadReason | undefined {
  if (trial.failed !== undefined) return trial.failed;
  if (trial.starts >= startsMax || !folders.has(trial.version)) return 'exits';
  return clock.wall() - trial.startedAt > trialMs ? 'not-confirmed' : undefined;
}

function goBack(trial: Trial, reason: BadReason, state: UpdateState, { folders, file, clock }: GuardParts): void {
  file.write({ ...state, trial: { ...trial, failed: reason } });
  folders.point('current', trial.from);
  const { version } = trial;
  const isOpen = reason === 'not-confirmed' && !state.forgiven.includes(version);
  const bad = { version, reason, at: clock.wall(), open: isOpen };
  file.write({ ...state, trial: undefined, bad: [...state.bad.filter((one) => one.version !== version), bad] });
}

/** Looks after the trial; gives the line to show. @throws what the file system says. */
export function guard(parts: GuardParts): string {
  const { folders, file } = parts;
  const state = file.read();
  const { trial } = state;
  if (trial === undefined) return 'no version is on trial';
  // Cut between the decision and the flip, or somebody changed it by hand: there is nothing to guard.
  if (trial.failed === undefined && folders.target('current') !== trial.version) {
    file.write({ ...state, trial: undefined });
    return `${trial.version} is not the current version; its trial is off`;
  }
  const reason = verdict(trial, parts);
  if (reason === undefined) {
    file.write({ ...state, trial: { ...trial, starts: trial.starts + 1 } });
    return `${trial.version} is on trial, start ${trial.starts + 1} of ${startsMax}`;
  }
  goBack(trial, reason, state, parts);
  return `${trial.version} is bad (${reason}); back to ${trial.from}`;
}
