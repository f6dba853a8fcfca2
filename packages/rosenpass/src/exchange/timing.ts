/** Times of an exchange in ms (spec tunnel.md 5.6, N4, X6). */
import type { Role, Schedule } from '../effects.ts';

/** A key is out of date, and an unfinished initiator handshake given up. */
export const keyLifeMs = 180_000;
/** A cookie value, as its receiver keeps it. */
export const cookieLifeMs = 120_000;
/** The answer to an InitConf, for the same one again. */
export const answerLifeMs = 120_000;
/** An InitHello that nobody answers is reported. */
export const unansweredMs = 30_000;
/** An InitHello of one version and encoding is sent so often before the next combination is tried. */
export const helloTries = 3;
/** While a job that is our own idea finds the queue full. */
export const deferMs = 250;
/**
 * Both sides began at once and both finished: for this long the side with the smaller fingerprint holds on to its own
 * handshake, and the other lets its own go. Long enough for three InitConf, short enough for a peer that restarted.
 */
export const glareMs = 5_000;
/** Under V02 both hold on for so much longer: enough for two InitConf to reach a release of Rosenpass. */
export const releaseGlareMs = 1_000;

/** Before sending again what was sent `sends` times (1 …); `unit` is random in [0, 1). */
export function resendDelay(sends: number, unit: number): number {
  return 500 * Math.min(2 ** (sends - 1), 20) * (0.5 + unit / 2);
}

/** From one exchange to the next that this side begins; Infinity: it never begins. */
export function nextExchangeDelay(schedule: Schedule, role: Role, unit: number): number {
  switch (schedule) {
    case 'node':
      return 120_000 - 10_000 * unit;
    case 'hub':
      return Infinity;
    case 'foreign':
      return role === 'initiator' ? 130_000 : 120_000;
  }
}
