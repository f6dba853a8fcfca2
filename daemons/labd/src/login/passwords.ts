/**
 * Passwords (ID-3): argon2id, m = 64 MiB, t = 2, p = 1. Two at once, because each takes 64 MiB and most of a core; more
 * wait in a short line, and past it the caller hears RATE_LIMITED, whoever the user is.
 */
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { Turns } from './turns.ts';

export const passwordLength = { min: 12, max: 256 } as const;

const cost = { algorithm: 'argon2id', memoryCost: 65_536, timeCost: 2 } as const;

/** Verified in place of a hash that is not there, so that an unknown user costs as much. No password gives it. */
const nobody = `$argon2id$v=19$m=65536,t=2,p=1$${'A'.repeat(43)}$${'A'.repeat(43)}`;

export type PasswordsOptions = { atOnce?: number; waitingMax?: number };

/** Canonically equal texts are one password, however a keyboard composes them (RFC 8265, OpaqueString). */
const canonical = (password: string) => password.normalize('NFC');

/** @throws FleetError VALIDATION_FAILED. Length is counted in code points. */
export function checkNewPassword(password: string): void {
  const { length } = Array.from(canonical(password));
  if (length >= passwordLength.min && length <= passwordLength.max) return;
  throw new FleetError('VALIDATION_FAILED', {
    field: 'password',
    message: `a password has ${passwordLength.min} to ${passwordLength.max} characters`,
  });
}

export class Passwords {
  readonly #turns: Turns;

  constructor(options: PasswordsOptions = {}) {
    const { atOnce = 2, waitingMax = 32 } = options;
    const hint = 'too many logins at once; try again in a moment';
    this.#turns = new Turns({ name: 'login.passwords.waiting', atOnce, waitingMax, hint });
  }

  /** Hashes running now. */
  get running(): number {
    return this.#turns.running;
  }

  /** The PHC string to store. @throws FleetError VALIDATION_FAILED, RATE_LIMITED. */
  hash(password: string): Promise<string> {
    checkNewPassword(password);
    return this.#turns.run(() => Bun.password.hash(canonical(password), cost));
  }

  /** Whether `password` gives `stored`. The same work is done without a stored hash. @throws FleetError RATE_LIMITED. */
  async verify(stored: string | undefined, password: string): Promise<boolean> {
    const right = await this.#turns.run(() => Bun.password.verify(canonical(password), stored ?? nobody));
    return right && stored !== undefined;
  }
}
