/**
 * `labman tunnel rotate` (tunnel K8): another Rosenpass pair for this node, without a stream noticing; then another of
 * WireGuard (wireguard-rotation.ts), on the word of an exchange with the first.
 *
 *     made beside the old ─▶ registered ─▶ exchanges begin with it ─▶ the first has ended: the old one is deleted
 *                              │
 *                              └ PIN_MISMATCH: the operator lets it in at the hub, and rotates again
 *
 * At each arrow the process may die: the pair on disk is taken up again, and whichever of both the hub knows is used.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { OwnPair, TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { FleetError } from '@labmesh/wire/fleet/fleet-errors';
import { fingerprintField, wireguardKeyField } from '@labmesh/wire/tunnel';
import { z } from 'zod';
import type { Registration } from '../conplane/registration.ts';
import type { NodeTunnel } from './node-tunnel.ts';
import type { WireguardRotation } from './wireguard-rotation.ts';

export const rotationSchema = z.object({
  /** `refused`: the hub wants an operator's word first. `registered`: no exchange has ended with the new pair yet. */
  state: z.enum(['done', 'registered', 'refused']),
  rosenpassSha256: fingerprintField,
  /** What the operator runs where labd's administrators are; null when it is not needed. */
  trust: z.string().nullable(),
  /** `begun`: it takes over later, by itself. Null while it waits for the Rosenpass pair. */
  wireguard: z.object({ state: z.enum(['done', 'begun']), publicKey: wireguardKeyField }).nullable(),
});
export type Rotation = z.infer<typeof rotationSchema>;

type Registering = Pick<Registration, 'rekey' | 'again' | 'state'>;

export type KeyRotationParts = {
  keys: Pick<TunnelKeys, 'ownKey' | 'nextKey' | 'makeNext' | 'promoteNext'>;
  tunnel: () => Pick<NodeTunnel, 'beginWith' | 'forget' | 'doubtKey'>;
  /** Undefined without a Conplane: nobody could be told of another pair. */
  registration: () => Registering | undefined;
  wireguard: Pick<WireguardRotation, 'rotate'>;
  clock: Clock;
  log: Logger;
};

/** Answers get lost; after that it is found out whether the hub took the pair. */
const callsMax = 3;
const callAgainMs = 1_000;
/** How long the first exchange with the new pair is waited for. */
const exchangeWaitMs = 10_000;
const lookEveryMs = 50;

const isRefusal = (error: unknown) => error instanceof FleetError && error.status < 500;

export class KeyRotation {
  readonly #parts: KeyRotationParts;
  #running: Promise<Rotation> | undefined;

  constructor(parts: KeyRotationParts) {
    this.#parts = parts;
  }

  /**
   * One rotation, or the rest of one that was begun earlier.
   * @throws FleetError: the Conplane refused for another reason than the key; what the network says
   */
  rotate(signal: AbortSignal): Promise<Rotation> {
    this.#running ??= this.#rotate(signal).finally(() => (this.#running = undefined));
    return this.#running;
  }

  /** An exchange ended that was made with this own pair: the next one is proven by its first. */
  exchangedWith(ownKey: number): void {
    const { keys, tunnel, log } = this.#parts;
    if (keys.nextKey?.index !== ownKey) return;
    try {
      const old = keys.promoteNext();
      tunnel().forget(old);
      log.info('the Rosenpass pair was changed', { fingerprint: keys.ownKey.fingerprint, was: old.fingerprint });
    } catch (error) {
      // Both go on; the next exchange tries again.
      log.error('the new Rosenpass pair could not take the place of the old one', { error });
    }
  }

  async #rotate(signal: AbortSignal): Promise<Rotation> {
    const { keys } = this.#parts;
    const registration = this.#parts.registration();
    if (registration === undefined) throw new Error('without a Conplane there is nobody to tell of another pair');
    const next = await keys.makeNext();
    const { fingerprint } = next;
    try {
      await this.#register(registration, next, signal);
    } catch (error) {
      if (!(error instanceof FleetError && error.code === 'PIN_MISMATCH')) throw error;
      const node = registration.state?.nodeId ?? 'NODE';
      const word = `labctl tunnel trust ${node} ${fingerprint}`;
      return { state: 'refused', rosenpassSha256: fingerprint, trust: word, wireguard: null };
    }
    await this.#parts.tunnel().beginWith(next);
    const isDone = await this.#proven(next, signal);
    const told = { rosenpassSha256: fingerprint, trust: null };
    if (!isDone) return { ...told, state: 'registered', wireguard: null };
    return { ...told, state: 'done', wireguard: await this.#parts.wireguard.rotate(signal) };
  }

  async #register(registration: Registering, next: OwnPair, signal: AbortSignal): Promise<void> {
    const { tunnel, clock } = this.#parts;
    for (let calls = 1; ; calls++) {
      try {
        return await registration.rekey(next, signal);
      } catch (error) {
        if (isRefusal(error) || signal.aborted) throw error;
        // From here on the hub may have taken it.
        tunnel().doubtKey();
        if (calls === callsMax) {
          registration.again();
          throw error;
        }
        await clock.sleep(callAgainMs, signal);
      }
    }
  }

  /** Whether the pair has taken the old one's place in time. */
  async #proven(next: OwnPair, signal: AbortSignal): Promise<boolean> {
    const { keys, clock } = this.#parts;
    const until = clock.now() + exchangeWaitMs;
    while (keys.ownKey !== next && clock.now() < until) await clock.sleep(lookEveryMs, signal);
    return keys.ownKey === next;
  }
}
