/**
 * The WireGuard half of a tunnel's peers: how each stands in the device, with which PSK, and the next key that some wait
 * with (K8). What the device tells is looked at here, again and again.
 */
import { type PskEvent, PskManager } from '@labmesh/wireguard/psk/psk-manager';
import type { Endpoint, PeerState } from '@labmesh/wireguard/tunnel-device';
import { NextKeys } from './next-keys.ts';
import type { TunnelParts } from './tunnel-parts.ts';
import type { TunnelPeerSettings } from './tunnel-peer.ts';

type DevicePeersParts = Pick<TunnelParts, 'device' | 'clock' | 'random' | 'log' | 'onEvent'> & {
  onExchangeWanted: (id: string) => void;
  /** The peer's next key has shaken hands; told until it is taken. */
  onNextUsed: (id: string) => void;
  /** The device was looked at. */
  onLooked: (states: readonly PeerState[]) => void;
};

const hexOf = (key: Uint8Array) => Buffer.from(key).toString('hex');

export class DevicePeers {
  readonly psks: PskManager;
  readonly nexts: NextKeys;
  readonly #parts: DevicePeersParts;
  /** Where WireGuard heard them last, by public key in hex. */
  #endpoints = new Map<string, Endpoint | undefined>();

  constructor(parts: DevicePeersParts) {
    this.#parts = parts;
    const { device, clock, random } = parts;
    this.psks = new PskManager({ device, clock, random, onEvent: (event) => this.#onEvent(event) });
    this.nexts = new NextKeys({ device, psks: this.psks });
  }

  /** With a random PSK (Q1). Nothing stays when it fails. @throws what the device says */
  async add(settings: TunnelPeerSettings): Promise<void> {
    const { id, wireguardPublicKey: publicKey, mode, fallbackAfterMs, address, endpoint, keepaliveS } = settings;
    const hasRosenpass = settings.rosenpass !== undefined;
    const presharedKey = this.psks.add({ id, publicKey, mode, hasRosenpass, fallbackAfterMs });
    try {
      const { device } = this.#parts;
      await device.setPeer({ publicKey, presharedKey, address, keepaliveS, ...(endpoint && { endpoint }) });
    } catch (error) {
      this.psks.remove(id);
      throw error;
    } finally {
      presharedKey.fill(0);
    }
  }

  /** While the device refuses, the peer stays known, so that it is cut when its last exchange has expired. @throws what the device says */
  async remove({ id, wireguardPublicKey }: TunnelPeerSettings): Promise<void> {
    await this.nexts.drop(id);
    await this.#parts.device.removePeer(wireguardPublicKey);
    this.psks.remove(id);
  }

  /** Takes away whom the device has and who is not one of these, nor their next key. Gives how many. @throws what the device says */
  async removeOthers(known: readonly Uint8Array[]): Promise<number> {
    const { device } = this.#parts;
    const kept = new Set([...known, ...this.nexts.all].map(hexOf));
    const others = (await device.peers()).filter(({ publicKey }) => !kept.has(hexOf(publicKey)));
    for (const { publicKey } of others) await device.removePeer(publicKey);
    return others.length;
  }

  /** Undefined: it was not heard yet. */
  endpointOf({ wireguardPublicKey }: TunnelPeerSettings): Endpoint | undefined {
    return this.#endpoints.get(hexOf(wireguardPublicKey));
  }

  /** Until the signal ends it. */
  async watch(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let failed = false;
    while (!signal.aborted) {
      await clock.sleep(this.psks.pollAfterMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const states = await this.psks.poll();
        this.#note(states);
        this.#parts.onLooked(states);
        failed = false;
      } catch (error) {
        if (!failed) log.error('the tunnel device does not answer', { error });
        failed = true;
      }
    }
  }

  #note(states: readonly PeerState[]): void {
    this.#endpoints = new Map(states.map(({ publicKey, endpoint }) => [hexOf(publicKey), endpoint]));
  }

  #onEvent(event: PskEvent): void {
    const { onEvent, onExchangeWanted, onNextUsed, log } = this.#parts;
    const { peer } = event;
    if (event.event === 'exchange_wanted') onExchangeWanted(peer);
    else if (event.event === 'next_key_used') onNextUsed(peer);
    else if (event.event === 'write_failed') log.error('the device did not take a PSK', { peer, error: event.error });
    else if (event.event === 'fallback') onEvent({ event: 'pq_fallback', peer });
    else if (event.event !== 'pq') onEvent({ event: event.event, peer });
    else if (event.verdict.pq === 'active') onEvent({ event: 'pq_active', peer });
    // From one doubt to another is no news.
    else if (event.before.pq === 'active') onEvent({ event: 'pq_stale', peer, reason: event.verdict.reason });
  }
}
