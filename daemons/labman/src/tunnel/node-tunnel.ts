/**
 * The node's end of the tunnel (tunnel 2.4): opened as soon as it is known where the hub is, from node.json or a
 * registration, and followed from then on. Nothing answers on the tunnel address before the device is isolated (N1).
 *
 *     apply ──▶ open ──device gone──▶ lost ──0.25 s, 0.5 s, …──▶ open
 */
import type { Lookup } from '@labmesh/tunnel/named-endpoint';
import type { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { Tunnel } from '@labmesh/tunnel/tunnel';
import type { TunnelEvent } from '@labmesh/tunnel/tunnel-parts';
import type { OwnPair, TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { Clock } from '@labmesh/kit/clock';
import { backoff } from '@labmesh/kit/retry';
import type { ExchangeResult, TunnelView } from '@labmesh/wire/tunnel';
import { type DeviceEvent, type TunnelDevice, TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { HubState, NodeState } from '../conplane/node-file.ts';
import { HubAddresses, turnMs } from './hub-addresses.ts';
import { hubPeer, type HubPlace, hubPlace } from './hub-peer.ts';
import { type NodeTunnelOpening, type NodeTunnelSettings, openNodeTunnel } from './open-node-tunnel.ts';

/** What is used of an open end. */
type NodeEnd = AsyncDisposable &
  Pick<OpenTunnel, 'view' | 'redial'> & {
    tunnel: Pick<
      Tunnel,
      | 'device'
      | 'setPeer'
      | 'unansweredMs'
      | 'exchangeNow'
      | 'renew'
      | 'beginWith'
      | 'removeOwnKey'
      | 'isProven'
      | 'prove'
      | 'setPrivateKey'
    >;
  };

export type NodeTunnelParts = NodeTunnelSettings & {
  keys: TunnelKeys;
  /** Binds the proxy inside the device; disposed before the device goes. */
  serve: (device: TunnelDevice) => AsyncDisposable;
  /** An exchange ended that was made with the own pair of this index. */
  onExchanged: (ownKey: number) => void;
  /** The hub uses its next WireGuard key, base64 (K8). */
  onHubKey?: (publicKey: string) => void;
  /** The hub answers no exchange: what is known of it may be of yesterday. */
  onTimeout?: () => void;
  clock: Clock;
  /** Another one in tests. */
  open?: (opening: NodeTunnelOpening) => Promise<NodeEnd>;
  /** Another one in tests. */
  lookup?: Lookup;
};

/** While the tunnel is down names are asked again this often (N2). */
const resolveEveryMs = 600_000;
/** N9: a device that is gone is back within 2 s. */
const reopenFirstMs = 250;
const reopenCapMs = 30_000;
/** An attached device's process needs a moment to start again; until then no other backend takes its place. */
const sameBackendTries = 5;
/** How long an own pair is tried before the other one is, while it is not known which of them the hub knows. */
const keyTrialMs = 10_000;
/** Life of a session of WireGuard (5.9). */
const sessionMs = 180_000;
const hubId = 'hub';

type Open = { place: HubPlace; end: NodeEnd; stack: AsyncDisposableStack };

export class NodeTunnel implements AsyncDisposable {
  readonly #parts: NodeTunnelParts;
  readonly #ending = new AbortController();
  #open: Open | undefined;
  readonly #addresses: HubAddresses;
  #hub: HubState | undefined;
  /** Where the tunnel is to be open; undefined: nowhere. */
  #wanted: HubPlace | undefined;
  /** Tries under way to open a lost device again. */
  #reopening = 0;
  #fault: string | undefined;
  /** The pair that the hub knows or is hoped to know; undefined: the own one. */
  #beginsWith: OwnPair | undefined;
  /** While it is not known which pair the hub knows; another one at each doubt. */
  #doubt: object | undefined;
  /** Work on the device, one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: NodeTunnelParts) {
    this.#parts = parts;
    this.#addresses = new HubAddresses(parts.lookup);
    void this.#resolveOnAndOn();
    void this.#tryAddresses();
    if (parts.keys.nextKey !== undefined) this.doubtKey();
  }

  /** Undefined while there is no tunnel. */
  view(): TunnelView | undefined {
    return this.#open?.end.view();
  }
  /** Undefined while there is no tunnel. */
  get device(): TunnelDevice | undefined {
    return this.#open?.end.tunnel.device;
  }
  /** What is wrong with the device, for the operator. */
  get fault(): string | undefined {
    return this.#fault;
  }
  /** Whether the hub of the running tunnel, by the key that it is known by, has proven this next one (K8). `since`: monotonic ms. */
  isHubProven(keys: { current: string; next: string }, proof: string, since?: number): boolean {
    const claim = ['next hub key', keys.current, keys.next] as const;
    return this.#open?.end.tunnel.isProven(hubId, keys.current, claim, proof, since) ?? false;
  }
  /** The same of its WireGuard keys; `known`: the Rosenpass key that it is known by (K8). */
  isHubWireguardProven(
    known: string,
    { rosenpass, current, next }: { rosenpass: string; current: string; next: string },
    proof: string,
    since: number,
  ): boolean {
    const claim = ['hub wireguard keys', rosenpass, current, next] as const;
    return this.#open?.end.tunnel.isProven(hubId, known, claim, proof, since) ?? false;
  }
  /** What shows the hub that this WireGuard key (base64) is to follow (K8); undefined: there was no exchange lately. */
  proveNextKey(current: string, next: string): string | undefined {
    return this.#open?.end.tunnel.prove(hubId, ['next node wireguard key', current, next]);
  }
  /** Whether the hub that is known by that Rosenpass key has said that it answers this next key of ours (K8). `since`: monotonic ms. */
  isNextTaken(known: string, current: string, next: string, proof: string, since?: number): boolean {
    const claim = ['next node wireguard key taken', current, next] as const;
    return this.#open?.end.tunnel.isProven(hubId, known, claim, proof, since) ?? false;
  }
  /** The device has this private key from now on. @throws what the device says */
  switchKey(privateKey: Uint8Array): Promise<void> {
    return this.#inTurn(async () => this.#open?.end.tunnel.setPrivateKey(privateKey));
  }
  /** Wall clock, as the device tells it now. */
  async lastHandshakeMs(): Promise<number | undefined> {
    const peers = (await this.device?.peers()) ?? [];
    // Beside it, without an address, a next key of the hub may wait (K8).
    return peers.find(({ address }) => address !== undefined)?.lastHandshakeMs;
  }
  async exchangeNow(): Promise<ExchangeResult | undefined> {
    const done = await this.#open?.end.tunnel.exchangeNow(hubId);
    // As the view shows it: an interface may be down whose keys are good (N9).
    return done && { ...done, peer: this.view()?.peers.find(({ id }) => id === hubId) ?? done.peer };
  }

  /** The hub has lost our session, or seems to have: another one is begun at once. */
  renew(): Promise<void> {
    return this.#inTurn(async () => this.#open?.end.tunnel.renew(hubId));
  }

  /**
   * Takes what was settled: opens the tunnel, or gives it the hub's other place.
   * @throws TunnelError: the address refused, no backend, no isolation, the name taken
   */
  apply(state: NodeState): Promise<void> {
    return this.#inTurn(() => this.#apply(state));
  }

  /** The hub has taken this own pair: exchanges are begun with it, one at once if it is another than before. */
  beginWith(pair: OwnPair): Promise<void> {
    this.#doubt = undefined;
    const before = this.#beginsWith ?? this.#parts.keys.ownKey;
    return before === pair ? Promise.resolve() : this.#inTurn(async () => this.#begin(pair));
  }

  /** This pair is given up: another has taken its place (K8). */
  forget(old: OwnPair): void {
    this.#beginsWith = undefined;
    this.#open?.end.tunnel.removeOwnKey(old.index);
  }

  /** It is not known which of the two own pairs the hub knows: they are tried in turn until one is proven (K8). */
  doubtKey(): void {
    if (this.#doubt !== undefined) return;
    this.#doubt = {};
    void this.#tryKeysInTurn(this.#doubt);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #apply(state: NodeState): Promise<void> {
    const { config } = this.#parts;
    const place = hubPlace(state, config);
    this.#wanted = place;
    if (place === undefined || state.hub === null) return this.#close();
    const isSame = this.#open?.place.address === place.address && this.#open.place.hubAddress === place.hubAddress;
    if (!isSame) await this.#close();
    this.#addresses.point(place);
    await this.#addresses.resolve(() => this.#hasSession());
    this.#hub = state.hub;
    // A device that is opened again is left to whoever does that: what is missing now may be there in a moment.
    if (this.#open === undefined && this.#reopening === 0) await this.#openAt(place);
    await this.#setHub();
  }

  async #openAt(place: HubPlace, backend?: NodeTunnelOpening['backend']): Promise<void> {
    const { serve, log, config, open = openNodeTunnel } = this.#parts;
    await using stack = new AsyncDisposableStack();
    const seen: { isGone: boolean; open: Open | undefined } = { isGone: false, open: undefined };
    const onDeviceEvent = (event: DeviceEvent) => {
      seen.isGone ||= event.kind === 'gone';
      if (seen.open !== undefined) this.#onDeviceEvent(seen.open, event);
    };
    const onEvent = (event: TunnelEvent) => this.#onEvent(event);
    const { signal } = this.#ending;
    const end = stack.use(await open({ ...this.#parts, place, backend, onEvent, onDeviceEvent, signal }));
    stack.use(serve(end.tunnel.device));
    if (seen.isGone) throw new TunnelError('NETLINK_FAILED', 'the tunnel interface went away while it was opened');
    const { backend: carrier, isolation } = end.view();
    log.info('the tunnel is open', {
      interface: config.interfaceName,
      address: place.address,
      backend: carrier,
      isolation,
    });
    if (this.#beginsWith !== undefined) end.tunnel.beginWith(this.#beginsWith);
    this.#fault = undefined;
    seen.open = this.#open = { place, end, stack: stack.move() };
  }

  async #setHub(): Promise<void> {
    if (this.#open === undefined || this.#hub === undefined) return;
    await this.#open.end.tunnel.setPeer(hubPeer(this.#hub, this.#parts.config, this.#addresses.reached));
  }

  async #resolveOnAndOn(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await clock.sleep(resolveEveryMs, signal).catch(() => undefined);
      const peer = this.view()?.peers[0];
      if (!signal.aborted && peer !== undefined && peer.pq !== 'active') await this.#askNames();
    }
  }

  /** N2: the hub does not answer: what its names say now. */
  #askNames(): Promise<void> {
    // Our own address may have changed: the old socket would send from one that is gone.
    this.#open?.end.redial();
    return this.#moveIf(() => this.#addresses.resolve(() => this.#hasSession()));
  }

  /** N2: the next address of a name, for as long as the present one does not answer. */
  async #tryAddresses(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await clock.sleep(turnMs, signal).catch(() => undefined);
      const { tunnel } = this.#open?.end ?? {};
      if (signal.aborted || tunnel === undefined || !this.#addresses.isOpen) continue;
      const unansweredMs = tunnel.unansweredMs(hubId);
      await this.#moveIf(() => this.#addresses.turn({ unansweredMs, hasSession: () => this.#hasSession() }));
    }
  }

  /** The hub is dialled elsewhere if this says so. Never rejects. */
  async #moveIf(isElsewhere: () => Promise<boolean>): Promise<void> {
    try {
      await this.#inTurn(async () => {
        if (await isElsewhere()) await this.#setHub();
      });
    } catch (error) {
      this.#parts.log.error('the hub could not be reached elsewhere', { error });
    }
  }

  /** As the device tells it now: what is shown may be of some seconds ago. */
  async #hasSession(): Promise<boolean> {
    const lastHandshakeMs = await this.lastHandshakeMs();
    return lastHandshakeMs !== undefined && this.#parts.clock.wall() - lastHandshakeMs < sessionMs;
  }

  /** N9: until the device is back, or somebody else has opened or ended the tunnel. */
  async #reopen(lost: Open): Promise<void> {
    this.#reopening++;
    await this.#tryToReopen(lost).finally(() => this.#reopening--);
  }

  async #tryToReopen(lost: Open): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    const { backend } = lost.end.view();
    let tries = 0;
    for (const waitMs of backoff({ firstMs: reopenFirstMs, capMs: reopenCapMs, jitter: 0.2 })) {
      await clock.sleep(waitMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const pinned = backend !== 'memory' && tries++ < sameBackendTries ? backend : undefined;
      try {
        return await this.#inTurn(() => this.#openAgain(lost, pinned));
      } catch (error) {
        this.#fault = `the device is gone and does not open: ${error instanceof Error ? error.message : 'unknown'}`;
        log.error('the tunnel could not be opened again', { error });
      }
    }
  }

  async #openAgain(lost: Open, backend: NodeTunnelOpening['backend']): Promise<void> {
    if (this.#open === lost) await this.#close();
    if (this.#wanted === undefined) return;
    if (this.#open === undefined) await this.#openAt(this.#wanted, backend);
    await this.#setHub();
  }

  #begin(pair: OwnPair): void {
    this.#beginsWith = pair;
    this.#open?.end.tunnel.beginWith(pair);
  }

  async #tryKeysInTurn(doubt: object): Promise<void> {
    const { clock, keys } = this.#parts;
    const { signal } = this.#ending;
    for (;;) {
      await clock.sleep(keyTrialMs, signal).catch(() => undefined);
      const { ownKey, nextKey } = keys;
      if (signal.aborted || this.#doubt !== doubt || nextKey === undefined) return;
      const other = this.#beginsWith === nextKey ? ownKey : nextKey;
      await this.#inTurn(async () => this.#begin(other));
    }
  }

  #onEvent(event: TunnelEvent): void {
    const { log, onExchanged, onHubKey } = this.#parts;
    if (event.event === 'exchanged') {
      this.#doubt = undefined;
      const { address } = event.endpoint;
      void this.#moveIf(() => this.#addresses.answered(address, () => this.#hasSession()));
      onExchanged(event.ownKey);
    } else if (event.event === 'wireguard_key') {
      log.info('the hub’s WireGuard key is the one that it announced', { now: event.publicKey });
      onHubKey?.(event.publicKey);
    } else if (event.event === 'pq_active') log.info('the tunnel is post-quantum');
    else if (event.event === 'pq_stale') log.warn('the tunnel is NOT post-quantum', { reason: event.reason });
    else if (event.event === 'pq_fallback') log.warn('the tunnel fell back to plain WireGuard: no exchange');
    else if (event.event === 'cut') log.warn('traffic is cut until the next exchange');
    else if (event.event === 'psk_mismatch') log.error('PSK_MISMATCH', { detail: event.reason });
    else if (event.event === 'handshake_timeout') log.warn('WIREGUARD_TIMEOUT', { detail: event.detail });
    else if (event.event === 'exchange_timeout') {
      log.warn('ROSENPASS_TIMEOUT', { detail: event.detail });
      void this.#askNames();
      this.#parts.onTimeout?.();
    }
  }

  #onDeviceEvent(open: Open, event: DeviceEvent): void {
    const { log } = this.#parts;
    if (event.kind === 'isolation_lost') {
      this.#fault = `isolation_lost: ${event.detail}`;
      log.error('isolation_lost', { detail: event.detail });
    } else if (event.kind === 'changed') log.warn('the tunnel device was changed by somebody else', { ...event });
    else if (event.kind === 'gone') {
      this.#fault = 'the tunnel device is gone; it is opened again';
      log.error('the tunnel device is gone; it is opened again');
      void this.#reopen(open);
    } else {
      this.#fault = undefined;
      log.info('isolation_restored');
    }
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.stack.disposeAsync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#turn;
    await this.#close();
  }
}
