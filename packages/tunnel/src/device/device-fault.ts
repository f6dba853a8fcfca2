/**
 * What is wrong with a tunnel's interface while its keys may be as good as ever (N9): somebody works against us, and it was
 * taken down, or it is gone. What knows of keys alone would go on saying that all is well.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import type { DeviceEvent, TunnelDevice } from '@labmesh/wireguard/tunnel-device';

export class DeviceFault implements Disposable {
  readonly #ending = new AbortController();
  readonly #clock: Pick<Clock, 'wall'>;
  #text: string | undefined;
  /** Wall clock, ms. */
  #since = 0;

  constructor(device: Pick<TunnelDevice, 'watch'>, clock: Pick<Clock, 'wall'>) {
    this.#clock = clock;
    device.watch((event) => this.#note(event), this.#ending.signal);
  }

  /** Undefined: nothing is wrong. */
  get text(): string | undefined {
    return this.#text;
  }

  /** What is shown of a peer: nothing passes through an interface that is down, whatever its keys are (P4). */
  shown(peer: TunnelPeer): TunnelPeer {
    if (this.#text === undefined || peer.pq !== 'active') return peer;
    return { ...peer, pq: 'stale', pqReason: 'no_session', pqSince: new Date(this.#since).toISOString() };
  }

  #note(event: DeviceEvent): void {
    if (this.#text === undefined) this.#since = this.#clock.wall();
    if (event.kind === 'isolation_lost') this.#text = `isolation_lost: ${event.detail}`;
    else if (event.kind === 'gone') this.#text = 'the interface is gone';
    else if (event.kind === 'isolation_restored') this.#text = undefined;
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}
