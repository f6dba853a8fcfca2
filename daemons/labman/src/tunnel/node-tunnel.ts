/**
 * The node's end of the tunnel (tunnel 2.4): opened as soon as it is known where the hub is, from node.json or a
 * registration, and followed from then on. Nothing answers on the tunnel address before the device is isolated (N1).
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { NamedEndpoint } from '@labmesh/tunnel/named-endpoint';
import { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { TunnelEvent } from '@labmesh/tunnel/tunnel';
import type { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { ExchangeResult, TunnelView } from '@labmesh/wire/tunnel';
import { chooseDevice } from '@labmesh/tunnel/choose-device';
import type { DeviceEvent, TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { HubState, NodeState } from '../conplane/node-file.ts';
import { hubPeer, type HubPlace, hubPlace } from './hub-peer.ts';

export type NodeTunnelParts = {
  config: TunnelConfig;
  keys: TunnelKeys;
  /** Of the proxy, inside. */
  proxyPort: number;
  /** Of the native backend (N7). */
  timestampPath: string;
  /** Binds the proxy inside the device; disposed before the device goes. */
  serve: (device: TunnelDevice) => AsyncDisposable;
  clock: Clock;
  log: Logger;
};

/** While the tunnel is down names are asked again this often (N2). */
const resolveEveryMs = 600_000;
export const deviceAlias = 'labmesh:labman';
const hubId = 'hub';

type Open = { place: HubPlace; tunnel: OpenTunnel; stack: AsyncDisposableStack };

export class NodeTunnel implements AsyncDisposable {
  readonly #parts: NodeTunnelParts;
  readonly #ending = new AbortController();
  #open: Open | undefined;
  #wireguard: NamedEndpoint | undefined;
  #rosenpass: NamedEndpoint | undefined;
  #hub: HubState | undefined;
  /** Work on the device, one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: NodeTunnelParts) {
    this.#parts = parts;
    void this.#resolveOnAndOn();
  }

  /** Undefined while there is no tunnel. */
  view(): TunnelView | undefined {
    return this.#open?.tunnel.view();
  }
  async exchangeNow(): Promise<ExchangeResult | undefined> {
    return this.#open?.tunnel.tunnel.exchangeNow(hubId);
  }

  /**
   * Takes what was settled: opens the tunnel, or gives it the hub's other place.
   * @throws TunnelError: the address refused, no backend, no isolation, the name taken
   */
  apply(state: NodeState): Promise<void> {
    const turn = this.#turn.then(() => this.#apply(state));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #apply(state: NodeState): Promise<void> {
    const { config } = this.#parts;
    const place = hubPlace(state, config);
    if (place === undefined || state.hub === null) return this.#close();
    const isSame = this.#open?.place.address === place.address && this.#open.place.hubAddress === place.hubAddress;
    if (!isSame) await this.#close();
    this.#wireguard = new NamedEndpoint(place.wireguard);
    this.#rosenpass = place.rosenpass && new NamedEndpoint(place.rosenpass);
    await this.#resolve();
    this.#hub = state.hub;
    if (this.#open === undefined) await this.#openAt(place);
    await this.#setHub();
  }

  async #openAt(place: HubPlace): Promise<void> {
    const { config, keys, proxyPort, serve, timestampPath, clock, log } = this.#parts;
    await using stack = new AsyncDisposableStack();
    const chosen = await chooseDevice({
      name: config.interfaceName,
      alias: deviceAlias,
      role: { kind: 'node', hubAddress: place.hubAddress, proxyPort },
      address: place.address,
      range: config.range,
      mtu: config.mtu,
      privateKey: keys.wireguard.privateKey,
      isolation: config.isolation,
      backend: config.backend,
      aead: config.aead,
      timestampPath,
      log,
    });
    for (const { backend, reason } of chosen.rejected) log.debug('a tunnel backend is not there', { backend, reason });
    const onEvent = (event: TunnelEvent) => this.#onEvent(event);
    const tunnel = stack.use(await OpenTunnel.open({ keys, chosen, cookie: 'auto', clock, log, onEvent }));
    chosen.device.watch((event) => this.#onDeviceEvent(event), this.#ending.signal);
    stack.use(serve(chosen.device));
    const { backend, isolation } = tunnel.view();
    log.info('the tunnel is open', { interface: config.interfaceName, address: place.address, backend, isolation });
    if (isolation === 'none') log.warn('the tunnel is not isolated: the hub reaches every service of this machine');
    this.#open = { place, tunnel, stack: stack.move() };
  }

  async #setHub(): Promise<void> {
    if (this.#open === undefined || this.#hub === undefined) return;
    const reached = { wireguard: this.#wireguard?.current, rosenpass: this.#rosenpass?.current };
    await this.#open.tunnel.tunnel.setPeer(hubPeer(this.#hub, this.#parts.config, reached));
  }

  /** Asks for both names; gives whether one of them leads elsewhere now. */
  async #resolve(): Promise<boolean> {
    const moved = await Promise.all([this.#wireguard?.resolve(), this.#rosenpass?.resolve()]);
    return moved.includes(true);
  }

  async #resolveOnAndOn(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ending;
    while (!signal.aborted) {
      await clock.sleep(resolveEveryMs, signal).catch(() => undefined);
      const peer = this.view()?.peers[0];
      if (!signal.aborted && peer !== undefined && peer.pq !== 'active') await this.#moveOn();
    }
  }

  /** N2: the hub does not answer there: the next address of its name, or what the name says now. */
  #moveOn(): Promise<void> {
    const turn = this.#turn.then(async () => {
      const [wireguard, rosenpass] = [this.#wireguard?.advance(), this.#rosenpass?.advance()];
      const isElsewhere = (await this.#resolve()) || wireguard === true || rosenpass === true;
      // Our own address may have changed: the old socket would send from one that is gone.
      this.#open?.tunnel.redial();
      if (isElsewhere) await this.#setHub();
    });
    this.#turn = turn.catch((error: unknown) =>
      this.#parts.log.error('the hub could not be reached elsewhere', { error }),
    );
    return turn.catch(() => undefined);
  }

  #onEvent(event: TunnelEvent): void {
    const { log } = this.#parts;
    if (event.event === 'pq_active') log.info('the tunnel is post-quantum');
    else if (event.event === 'pq_stale') log.warn('the tunnel is NOT post-quantum', { reason: event.reason });
    else if (event.event === 'pq_fallback') log.warn('the tunnel fell back to plain WireGuard: no exchange');
    else if (event.event === 'cut') log.warn('traffic is cut until the next exchange');
    else if (event.event === 'psk_mismatch') log.error('PSK_MISMATCH: exchanges end, and no handshake follows');
    else if (event.event === 'exchange_timeout') {
      log.warn('ROSENPASS_TIMEOUT: the hub does not answer; is its UDP 9999 open?');
      void this.#moveOn();
    }
  }

  #onDeviceEvent(event: DeviceEvent): void {
    const { log } = this.#parts;
    if (event.kind === 'isolation_lost') log.error('isolation_lost', { detail: event.detail });
    else if (event.kind === 'changed') log.warn('the tunnel device was changed by somebody else', { ...event });
    else if (event.kind === 'gone') log.error('the tunnel device is gone');
    else log.info('isolation_restored');
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
