/**
 * Keys and list in the issuer's folder, as the arena changes them. labctl changes them too while it runs (a rotation, a
 * list that is signed anew), so each change is read, made and written under the folder's lock.
 */
import { readRevocations, writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import type { Revocation } from '@labmesh/attest/certificate/revocations';
import { revokeInFolder, type Revoked } from '@labmesh/attest/certificate/revoke-in-folder';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { readKeyRing } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing, trustOf } from '@labmesh/attest/keys/key-ring';
import { lockFolder } from '@labmesh/attest/log/open-log-folder';
import type { Clock } from '@labmesh/kit/clock';

/** A command holds the lock for moments. */
const [lockTries, lockPauseMs] = [200, 50];

export class IssuerFiles {
  readonly #folder: string;
  readonly #clock: Clock;
  /** The last change: of this process one at a time. */
  #changed: Promise<unknown> = Promise.resolve();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /** Who signs certificates at a moment. @throws AttestRefused KEY_NOT_FOUND */
  async signer(at: number): Promise<ReturnType<typeof keyInForce>['signer']> {
    return keyInForce(await this.#ring(), 'certificate', at).signer;
  }

  /** What verifiers are given. */
  async trust(): Promise<ReturnType<typeof trustOf>> {
    return trustOf(await this.#ring());
  }

  /** A list is good for 24 h: without a fresh one nobody can tell whether a certificate still stands. */
  async renewRevocations(): Promise<void> {
    await this.#change(async (now) => writeRevocations(this.#folder, await this.#ring(), now));
  }

  /** @throws AttestRefused KEY_NOT_FOUND, REVOCATIONS_BAD; LOG_LOCKED when another process keeps the lock for 10 s */
  revoke(one: Revocation): Promise<Revoked> {
    return this.#change((now) => revokeInFolder(this.#folder, one, now));
  }

  /** What is revoked now. */
  async revocations(): Promise<readonly Revocation[]> {
    return (await readRevocations(this.#folder, await this.#ring()))?.revocations ?? [];
  }

  // Read each time: a rotation from the command line counts at once. Never made anew: that would be another issuer.
  async #ring(): Promise<KeyRing> {
    const ring = await readKeyRing(this.#folder);
    if (ring === undefined) throw new AttestRefused('KEY_NOT_FOUND', `the keys in ${this.#folder} are gone`);
    return ring;
  }

  #change<T>(run: (now: number) => Promise<T>): Promise<T> {
    const done = this.#changed.then(async () => {
      using _lock = await this.#lock();
      return await run(this.#clock.wall());
    });
    this.#changed = done.catch(() => {});
    return done;
  }

  async #lock(): Promise<Disposable> {
    for (let tried = 1; ; tried++) {
      try {
        return lockFolder(this.#folder);
      } catch (error) {
        if (!(error instanceof AttestRefused) || tried === lockTries) throw error;
        await this.#clock.sleep(lockPauseMs);
      }
    }
  }
}
