/**
 * Another WireGuard pair for this node (tunnel K8), without a stream breaking:
 *
 *     made beside the old ─▶ the hub answers it as well ─▶ an exchange, whose PSK both get ─▶ it still answers it
 *                                                                  └─▶ the device takes it: the old is gone
 *
 * From the second arrow on the hub takes either key, and forgets the old one with the first handshake by the new. So whoever
 * dies goes on with the pair that is the own one on disk, and a pair that waits there is taken up by the next registration.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { backoff } from '@labmesh/kit/retry';
import type { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { Registration } from '../conplane/registration.ts';
import type { NodeTunnel } from './node-tunnel.ts';

export type WireguardRotationParts = {
  keys: Pick<TunnelKeys, 'ownKey' | 'wireguard' | 'nextWireguard' | 'makeNextWireguard' | 'promoteNextWireguard'>;
  tunnel: () => Pick<NodeTunnel, 'exchangeNow' | 'switchKey' | 'lastHandshakeMs' | 'isNextTaken'>;
  registration: () => Pick<Registration, 'rekey' | 'again' | 'state'> | undefined;
  clock: Clock;
  log: Logger;
};

/** The hub has the exchange's key some ms after us (Q2); of a handshake within 0.1 s nobody could say by which (V2). */
const settleMs = 1_000;
/** How long a whole change is waited for; it goes on after that. */
const waitMs = 20_000;
const handshakeWaitMs = 10_000;
/** The hub is not asked again before. */
const askAgainMs = 60_000;
const lookEveryMs = 100;

const textOf = (key: Uint8Array) => Buffer.from(key).toString('base64');

export class WireguardRotation implements AsyncDisposable {
  readonly #parts: WireguardRotationParts;
  readonly #ending = new AbortController();
  #switching: Promise<boolean> | undefined;
  #askedAt = -Infinity;
  /** Since when an exchange must have ended that proves the next key; monotonic ms. */
  #since = -Infinity;
  #isStillTaken = false;

  constructor(parts: WireguardRotationParts) {
    this.#parts = parts;
  }

  /**
   * One change, or the rest of one that was begun earlier. `begun`: it goes on by itself, with the next registration.
   * @throws what registering says
   */
  async rotate(signal: AbortSignal): Promise<{ state: 'done' | 'begun'; publicKey: string }> {
    const { keys, registration, clock } = this.#parts;
    const publicKey = textOf(keys.makeNextWireguard().publicKey);
    await registration()?.rekey(keys.ownKey, signal);
    const late = clock.sleep(waitMs, AbortSignal.any([signal, this.#ending.signal])).then(
      () => false,
      () => false,
    );
    const isDone = await Promise.race([this.#switching ?? false, late]);
    return { state: isDone ? 'done' : 'begun', publicKey };
  }

  /**
   * The hub that is known by this Rosenpass key answers this next key, base64, from now on. Without its proof that is nobody's
   * word: a node that changed its key on the word of the Conplane's API alone could be cut off by it for good.
   */
  taken(known: string, publicKey: string, proof: string): void {
    const { keys, tunnel, log } = this.#parts;
    if (keys.nextWireguard === undefined || textOf(keys.nextWireguard.publicKey) !== publicKey) return;
    const isAsked = this.#switching !== undefined;
    const since = isAsked ? this.#since : -Infinity;
    if (!tunnel().isNextTaken(known, textOf(keys.wireguard.publicKey), publicKey, proof, since)) return;
    this.#isStillTaken = true;
    this.#switching ??= this.#switch()
      .catch((error: unknown) => {
        if (!this.#ending.signal.aborted) log.error('the new WireGuard pair could not take its place', { error });
        return false;
      })
      .finally(() => (this.#switching = undefined));
  }

  /** An exchange ended: what one of both could not prove before, it can now. */
  exchanged(): void {
    const { keys, registration, clock } = this.#parts;
    const isWaiting = keys.nextWireguard !== undefined && this.#switching === undefined;
    if (!isWaiting || clock.now() - this.#askedAt < askAgainMs) return;
    this.#askedAt = clock.now();
    // Before the hub has that exchange's key it could not check our word, and would not be told again for a minute.
    const settled = clock.sleep(settleMs, this.#ending.signal);
    const ask = () => (this.#switching === undefined ? registration()?.again() : undefined);
    settled.then(ask, () => undefined);
  }

  async #switch(): Promise<boolean> {
    const { keys, registration, clock, log } = this.#parts;
    await this.#provenAgain();
    const { privateKey, publicKey } = keys.promoteNextWireguard();
    const since = clock.wall();
    await this.#give(privateKey);
    log.info('the WireGuard pair was changed', { now: textOf(publicKey) });
    const isShaken = await this.#shaken(since);
    // The hub moves its row with the handshake; it takes few registrations a minute.
    if (!isShaken) registration()?.again();
    return isShaken;
  }

  /**
   * Until the hub has said once more, by the key of an exchange that was made for it, that it answers the next key: what it
   * said first may be of long ago, or have been recorded, and after the promotion there is no way back.
   */
  async #provenAgain(): Promise<void> {
    const { keys, registration, clock, log } = this.#parts;
    for (const forMs of backoff({ firstMs: 2_000, capMs: 60_000 })) {
      const begun = clock.now();
      await this.#exchange();
      await clock.sleep(settleMs, this.#ending.signal);
      [this.#since, this.#isStillTaken] = [begun, false];
      try {
        await registration()?.rekey(keys.ownKey, this.#ending.signal);
      } catch (error) {
        log.warn('the hub could not be asked whether it answers the next WireGuard pair', { error });
      }
      this.#ending.signal.throwIfAborted();
      if (this.#isStillTaken) return;
      await clock.sleep(forMs, this.#ending.signal);
    }
  }

  /** Until the device has it: on disk there is no other any more, and the hub forgets the one before. */
  async #give(privateKey: Uint8Array): Promise<void> {
    const { tunnel, clock, log } = this.#parts;
    for (const forMs of backoff({ firstMs: 250, capMs: 10_000 })) {
      try {
        return await tunnel().switchKey(privateKey);
      } catch (error) {
        log.error('the device did not take the new WireGuard pair; it is tried again', { error });
      }
      await clock.sleep(forMs, this.#ending.signal);
    }
  }

  /** Until one has ended, and the hub is not about to change its own pair: both at once would not find one another. */
  async #exchange(): Promise<void> {
    const { tunnel, registration, clock } = this.#parts;
    for (const forMs of backoff({ firstMs: 1_000, capMs: 30_000 })) {
      const isHubChanging = registration()?.state?.hub?.next !== undefined;
      if (!isHubChanging && (await tunnel().exchangeNow())?.ok === true) return;
      await clock.sleep(forMs, this.#ending.signal);
    }
  }

  async #shaken(since: number): Promise<boolean> {
    const { tunnel, clock } = this.#parts;
    for (const until = clock.now() + handshakeWaitMs; clock.now() < until;) {
      if (((await tunnel().lastHandshakeMs()) ?? 0) >= since) return true;
      await clock.sleep(lookEveryMs, this.#ending.signal);
    }
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#switching;
  }
}
