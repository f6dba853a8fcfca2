/**
 * How often people without a key make the gateway ask the arena: by network and in all, so that neither one address nor
 * many keep the arena busy. What is remembered already costs nothing and is not counted.
 */
import { isIP } from 'node:net';
import { ApiError } from '@labmesh/wire/errors';
import { addressBytes, plainAddress } from '@labmesh/wireguard/dataplane/ip-address';

/** A monitor that reads a log of a million entries asks for 8,000 tiles. */
export const askedAtOnce = 400;
export const askedPerSecond = 50;
/** Of all networks together. */
export const allTimes = 4;
/** Networks that are remembered; the one that asked longest ago is forgotten, and begins anew. */
export const networksMost = 1_024;

type Bucket = { left: number; at: number };

/** Whoever has one IPv6 address has all of its /64. Who has none, or one that cannot be read, is one with all such. */
function networkOf(peer: string): string {
  const address = plainAddress(peer);
  if (isIP(address) === 0) return '';
  const bytes = addressBytes(address);
  return Buffer.from(bytes.subarray(0, bytes.length === 4 ? 4 : 8)).toString('hex');
}

/** Takes one when there is one; refilled as time passes. @param times as large as that of one network */
function take(bucket: Bucket, now: number, times: number): boolean {
  const most = askedAtOnce * times;
  const refilled = ((now - bucket.at) / 1000) * askedPerSecond * times;
  bucket.left = Math.min(most, bucket.left + Math.max(0, refilled));
  bucket.at = now;
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

export class StrangerBounds {
  /** The one that asked last stands last. */
  readonly #networks = new Map<string, Bucket>();
  readonly #all: Bucket = { left: askedAtOnce * allTimes, at: 0 };

  /**
   * @param now ms of a clock that only goes on
   * @param isFree false: the arena has as many questions before it as it may
   * @throws ApiError rate_limit_exceeded
   */
  take(peer: string, now: number, isFree: boolean): void {
    const network = networkOf(peer);
    const bucket = this.#networks.get(network) ?? { left: askedAtOnce, at: now };
    this.#networks.delete(network);
    this.#networks.set(network, bucket);
    const [oldest] = this.#networks.keys();
    if (this.#networks.size > networksMost && oldest !== undefined) this.#networks.delete(oldest);
    // The own one first: who passes it takes nothing from the others.
    if (take(bucket, now, 1) && isFree && take(this.#all, now, allTimes)) return;
    throw new ApiError('rate_limit_exceeded', { message: 'too much of the log is asked for at once', retryAfterS: 1 });
  }
}
