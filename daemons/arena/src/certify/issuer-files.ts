/**
 * Keys and list in the issuer's folder, as the arena opens and changes them. labctl changes them too while it runs (a rotation, a
 * list that is signed anew), so each change is read, made and written under the folder's lock.
 */
import { readRevocations, writeRevocations } from '@labmesh/attest/certificate/revocation-file';
import type { Revocation } from '@labmesh/attest/certificate/revocations';
import { revokeInFolder, type Revoked, succeedInFolder } from '@labmesh/attest/certificate/revoke-in-folder';
import { AttestRefused } from '@labmesh/attest/attest-refused';
import { type KeyFolder, openKeyRing, readKeyRing, sealKeys } from '@labmesh/attest/keys/key-folder';
import { keyInForce, type KeyRing, trustOf, usesInService } from '@labmesh/attest/keys/key-ring';
import { lockFolder } from '@labmesh/attest/log/open-log-folder';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';

/** A command holds the lock for moments. */
const [lockTries, lockPauseMs] = [200, 50];

export type IssuerFilesParts = {
  /** `attest` in the data folder, as `labctl cert` knows it. */
  keys: KeyFolder;
  clock: Clock;
  log: Logger;
};

export class IssuerFiles {
  readonly #keys: KeyFolder;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** The last change: of this process one at a time. */
  #changed: Promise<unknown> = Promise.resolve();

  constructor({ keys, clock, log }: IssuerFilesParts) {
    this.#keys = keys;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * The keys, made when there are none. @param origin name of a log that is made
   * @throws AttestRefused KEY_BAD; KMS_REFUSED for keys in a service where none is set: nothing could be signed with them;
   * SecretsRefused when they do not open: none are made in their place
   */
  open(origin: string | undefined): Promise<KeyRing> {
    return this.#change(async (now) => {
      const ring = await openKeyRing(this.#keys, now, origin);
      const uses = this.#keys.kms === undefined ? usesInService(ring, now) : [];
      if (uses.length === 0) return ring;
      const what = `the keys for ${uses.join(', ')} are in a key management service, and none is set`;
      throw new AttestRefused('KMS_REFUSED', `${what}: set attest.kms_url as it was`);
    });
  }

  /** Takes over keys that an older version left open, and those that are sealed with a key of before. */
  async seal(): Promise<void> {
    const form = await this.#change(() => sealKeys(this.#keys));
    const folder = this.#keys.path;
    if (form === 'clear') this.#log.warn('the signing keys lay open in their file; they are sealed now', { folder });
    if (form === 'older') this.#log.info('the signing keys are sealed with the newest key now', { folder });
  }

  /**
   * Who signs certificates at a moment. @throws AttestRefused KEY_NOT_FOUND; KMS_AWAY where the service has not made the key yet
   * that follows an ended one: whoever waits for the service waits for that
   */
  async signer(at: number): Promise<ReturnType<typeof keyInForce>['signer']> {
    const ring = await this.#ring();
    return await this.#awaited(async () => keyInForce(ring, 'certificate', at).signer);
  }

  /** Makes what has to follow keys that were ended. @throws AttestRefused KMS_… when their service does not */
  succeed(): Promise<void> {
    return this.#change((now) => succeedInFolder(this.#keys, now));
  }

  /** What verifiers are given. */
  async trust(): Promise<ReturnType<typeof trustOf>> {
    return trustOf(await this.#ring());
  }

  /** A list is good for 24 h: without a fresh one nobody can tell whether a certificate still stands. */
  async renewRevocations(): Promise<void> {
    await this.#change(async (now) => {
      const ring = await this.#ring();
      await this.#awaited(() => writeRevocations(this.#keys.path, ring, now));
    });
  }

  /** @throws AttestRefused KEY_NOT_FOUND, REVOCATIONS_BAD, KMS_…; LOG_LOCKED when another process keeps the lock for 10 s */
  revoke(one: Revocation): Promise<Revoked> {
    return this.#change(async (now) => {
      await this.#ring();
      const revoke = () => revokeInFolder(this.#keys, one, now);
      return one.keyid === undefined ? await this.#awaited(revoke) : await revoke();
    });
  }

  /** What is revoked now. */
  async revocations(): Promise<readonly Revocation[]> {
    return (await readRevocations(this.#keys.path, await this.#ring()))?.revocations ?? [];
  }

  /** A key that its service has not made yet is waited for, like a signature of it. */
  async #awaited<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const isMissing = error instanceof AttestRefused && error.code === 'KEY_NOT_FOUND';
      if (this.#keys.kms === undefined || !isMissing) throw error;
      throw new AttestRefused('KMS_AWAY', `${error.message}: its service has to make one`);
    }
  }

  // Read each time: a rotation from the command line counts at once. Never made anew: that would be another issuer.
  async #ring(): Promise<KeyRing> {
    const ring = await readKeyRing(this.#keys);
    if (ring === undefined) throw new AttestRefused('KEY_NOT_FOUND', `the keys in ${this.#keys.path} are gone`);
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
        return lockFolder(this.#keys.path);
      } catch (error) {
        if (!(error instanceof AttestRefused) || tried === lockTries) throw error;
        await this.#clock.sleep(lockPauseMs);
      }
    }
  }
}
