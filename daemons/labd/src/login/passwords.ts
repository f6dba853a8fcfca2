/**
 * Passwords (ID-3): argon2id, m = 64 MiB, t = 2, p = 1. Two at once, because each takes 64 MiB and most of a core; more
 * wait in a short line, and past it the caller hears RATE_LIMITED, whoever the user is.
 */
import { WaitingLine } from '@labmesh/kit/bounded-queue';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';

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
  readonly #atOnce: number;
  readonly #line: WaitingLine;
  #running = 0;

  constructor(options: PasswordsOptions = {}) {
    this.#atOnce = options.atOnce ?? 2;
    this.#line = new WaitingLine('login.passwords.waiting', options.waitingMax ?? 32);
  }

  /** Hashes running now. */
  get running(): number {
    return this.#running;
  }

  /** The PHC string to store. @throws FleetError VALIDATION_FAILED, RATE_LIMITED. */
  hash(password: string): Promise<string> {
    checkNewPassword(password);
    return this.#inTurn(() => Bun.password.hash(canonical(password), cost));
  }

  /** Whether `password` gives `stored`. The same work is done without a stored hash. @throws FleetError RATE_LIMITED. */
  async verify(stored: string | undefined, password: string): Promise<boolean> {
    const right = await this.#inTurn(() => Bun.password.verify(canonical(password), stored ?? nobody));
    return right && stored !== undefined;
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#atOnce) this.#running++;
    else
      await this.#line.wait().catch((cause: unknown) => {
        throw new FleetError('RATE_LIMITED', { cause, hint: 'too many logins at once; try again in a moment' });
      });
    try {
      return await work();
    } finally {
      // The next in line takes over this place, so the count stays.
      if (!this.#line.admit()) this.#running--;
    }
  }
}
