/** The native backend: a TUN made where it stays, and our own data plane behind it (spec tunnel.md R3, R4). */
import { closeSync } from 'node:fs';
import type { AeadProvider } from '../aead/aead-provider.ts';
import type { LinkBackend } from '../devices/link-backend.ts';
import { openTun } from '../ffi/open-tun.ts';
import type { TimestampStore } from '../noise/tai64n.ts';
import type { DeviceConfig } from '../tunnel-device.ts';
import type { WireguardControl } from '../wireguard-control.ts';
import { NativeControl } from './native-control.ts';
import { NativeEngine } from './native-engine.ts';

export type NativeParts = {
  aead: AeadProvider;
  /** Where the last timestamp sent is kept (N7). */
  timestamps: TimestampStore;
};

/** For one device. */
export class NativeBackend implements LinkBackend {
  readonly name = 'native';
  readonly kind = 'tun';
  readonly innerFilter = true;
  readonly bornOutside = false;
  readonly attached = false;
  readonly #parts: NativeParts;
  #tunFd: number | undefined;
  #engine: NativeEngine | undefined;

  constructor(parts: NativeParts) {
    this.#parts = parts;
  }

  /** Packets that wait for a session, and what was dropped since the start, in all and by reason (V5, V10). */
  get queue(): { depth: number; dropped: number; drops: Record<string, number> } {
    const drops: Record<string, number> = Object.fromEntries(this.#engine?.drops.all() ?? []);
    const dropped = Object.values(drops).reduce((sum, count) => sum + count, 0);
    return { depth: this.#engine?.queued ?? 0, dropped, drops };
  }

  describe(name: string): string {
    return `TUN ${name}, made by this process; packets sealed by ${this.#parts.aead.name}`;
  }

  create({ name }: DeviceConfig): void {
    this.#tunFd = openTun(name);
  }

  /** @throws what the bind of a listening address says. */
  async control(config: DeviceConfig): Promise<WireguardControl> {
    if (this.#tunFd === undefined) throw new Error('the interface was not made yet');
    this.#engine = await NativeEngine.open(config, { ...this.#parts, tunFd: this.#tunFd });
    this.#tunFd = undefined;
    return new NativeControl(this.#engine);
  }

  async release(): Promise<void> {
    if (this.#tunFd !== undefined) closeSync(this.#tunFd);
    this.#tunFd = undefined;
    await this.#engine?.[Symbol.asyncDispose]();
    this.#engine = undefined;
  }
}
