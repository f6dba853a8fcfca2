/**
 * What is wrong with a tunnel's interface while its keys may be as good as ever (N9): somebody works against us, and it was
 * taken down, or it is gone. What knows of keys alone would go on saying that all is well.
 */
import type { DeviceEvent, TunnelDevice } from '@labmesh/wireguard/tunnel-device';

export class DeviceFault implements Disposable {
  readonly #ending = new AbortController();
  #text: string | undefined;

  constructor(device: Pick<TunnelDevice, 'watch'>) {
    device.watch((event) => this.#note(event), this.#ending.signal);
  }

  /** Undefined: nothing is wrong. */
  get text(): string | undefined {
    return this.#text;
  }

  #note(event: DeviceEvent): void {
    if (event.kind === 'isolation_lost') this.#text = `isolation_lost: ${event.detail}`;
    else if (event.kind === 'gone') this.#text = 'the interface is gone';
    else if (event.kind === 'isolation_restored') this.#text = undefined;
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
  }
}
