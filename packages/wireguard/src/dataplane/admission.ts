/**
 * Which initiations get as far as a key agreement (spec tunnel.md D6): those with a right mac1, within the limits, or
 * with a cookie that we gave. Keeps nothing of those that do not but counts.
 */
import { cookieNonceBytes, createCookieReply } from '../noise/cookie-reply.ts';
import { CookieSecret } from '../noise/cookie-secret.ts';
import { cookieKey, mac1Key } from '../noise/key-derivation.ts';
import { readIndex } from '../noise/message-layout.ts';
import { hasMac1, hasMac2, mac1Of } from '../noise/message-macs.ts';
import { HandshakeLimits } from './handshake-limits.ts';
import { addressBytes } from './ip-address.ts';
import type { Path } from './peer.ts';
import type { PlaneContext } from './plane-context.ts';

export class Admission {
  readonly #context: PlaneContext;
  #mac1Key: Uint8Array;
  #cookieKey: Uint8Array;
  readonly #cookies: CookieSecret;
  readonly #limits = new HandshakeLimits();

  constructor(context: PlaneContext) {
    this.#context = context;
    this.#mac1Key = mac1Key(context.own.publicKey);
    this.#cookieKey = cookieKey(context.own.publicKey);
    this.#cookies = new CookieSecret(context.random);
  }

  ownKeyChanged(): void {
    const { publicKey } = this.#context.own;
    [this.#mac1Key, this.#cookieKey] = [mac1Key(publicKey), cookieKey(publicKey)];
  }

  /** False: dropped and counted, perhaps answered by a cookie. */
  admits(message: Uint8Array, path: Path, nowMs: number): boolean {
    const { drops } = this.#context;
    if (!hasMac1(message, this.#mac1Key)) {
      drops.count('mac');
      return false;
    }
    const address = addressBytes(path.address);
    const source = Buffer.from(address.subarray(0, address.length === 4 ? 4 : 8)).toString('hex');
    const cookie = () => this.#cookies.cookieFor(Uint8Array.of(...address, path.port >> 8, path.port & 0xff), nowMs);
    const verdict = this.#limits.judge(source, () => hasMac2(message, cookie()), nowMs);
    if (verdict === 'take') return true;
    drops.count(verdict);
    if (verdict === 'cookie') this.#reply(message, cookie(), path);
    return false;
  }

  #reply(message: Uint8Array, cookie: Uint8Array, path: Path): void {
    const { output, random } = this.#context;
    const reply = createCookieReply({
      key: this.#cookieKey,
      receiverIndex: readIndex(message, 4),
      mac1: mac1Of(message),
      cookie,
      nonce: random(cookieNonceBytes),
    });
    output.send(reply, 0, reply.length, path);
  }
}
