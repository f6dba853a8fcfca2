/**
 * A version at its start: one on trial proves itself, one that the guard went back to tells whose fault that was, and one
 * that nobody doubts notes that it is the confirmed one (AG-8, AG-9).
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { UpdateGround } from './update-ground.ts';

export type ProveParts = {
  ground: UpdateGround;
  clock: Clock;
  log: Logger;
  /** Clock ms since which we are connected; undefined: not connected. */
  connectedSince: () => number | undefined;
  signal: AbortSignal;
};

const lookMs = 200;

/** Is this very process the version on trial? */
export const isOnTrial = ({ file, version }: UpdateGround): boolean => file.read().trial?.version === version;

/**
 * Waits until this version was connected long enough. False: it was not in time, and that is written down for the guard.
 * Rejects when the signal is aborted. One that is connected when the time ends may go on until it is confirmed or cut.
 */
export async function prove({ ground, clock, log, connectedSince, signal }: ProveParts): Promise<boolean> {
  const { version, file, folders, trialMs, confirmMs } = ground;
  const { trial } = file.read();
  if (trial?.version !== version) return true;
  const lastedMs = Math.min(trialMs, Math.max(0, clock.wall() - trial.startedAt));
  const until = clock.now() + trialMs - lastedMs;
  for (;;) {
    const since = connectedSince();
    if (since !== undefined && clock.now() - since >= confirmMs) break;
    if (since === undefined && clock.now() >= until) {
      log.error('this version did not get a connection in time; the one before comes back', { version });
      file.write({ ...file.read(), trial: { ...trial, failed: 'not-confirmed' } });
      return false;
    }
    await clock.sleep(lookMs, signal);
  }
  folders.point('confirmed', version);
  file.write({ ...file.read(), trial: undefined });
  folders.keepOnly([version, trial.from]);
  log.info('this version is confirmed', { version, before: trial.from });
  return true;
}

/**
 * Closes the cases of versions that did not get a connection. When this one, known to be good, gets none either within the
 * same time, labd was away: then they are forgiven, once. Gives true when one is bad for sure now.
 */
export async function judge({ ground, clock, log, connectedSince, signal }: ProveParts): Promise<boolean> {
  const { file, trialMs } = ground;
  if (!file.read().bad.some(({ open }) => open)) return false;
  const until = clock.now() + trialMs;
  while (connectedSince() === undefined && clock.now() < until) await clock.sleep(lookMs, signal);
  const isOurs = connectedSince() !== undefined;
  const { bad, forgiven, ...rest } = file.read();
  const open = bad.filter((one) => one.open).map(({ version }) => version);
  if (isOurs) file.write({ ...rest, forgiven, bad: bad.map((one) => ({ ...one, open: false })) });
  else file.write({ ...rest, bad: bad.filter((one) => !one.open), forgiven: [...forgiven, ...open] });
  log.warn(isOurs ? 'a version turned out bad' : 'labd was away: a version gets another chance', { versions: open });
  return isOurs;
}
