/**
 * Opens one end of the tunnel: the device that was chosen, the sockets of the exchange, and the tunnel over both. labman and
 * labd differ in role, addresses and how datagrams leave; all else is here.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import { openSuites } from '@labmesh/rosenpass/hash/suite';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import { exposedText } from '@labmesh/wireguard/isolation/exposed-sockets';
import { watchOwnAddresses } from '@labmesh/wireguard/native/own-addresses';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { ChosenDevice } from './choose-device.ts';
import { DeviceFault } from './device/device-fault.ts';
import { type Datagrams, DialledDatagrams, listenDatagrams } from './datagrams.ts';
import { Tunnel } from './tunnel.ts';
import type { TunnelEvent } from './tunnel-parts.ts';
import type { TunnelKeys } from './keys/tunnel-keys.ts';

export type OpenTunnelOptions = {
  keys: TunnelKeys;
  /** The device as it was chosen, not open yet. */
  chosen: ChosenDevice;
  /** Where the exchange is listened for; without it the node dials. */
  listen?: { addresses: readonly string[]; port: number } | undefined;
  cookie: 'auto' | 'off' | 'always';
  clock: Clock;
  log: Logger;
  onEvent: (event: TunnelEvent) => void;
};

/** A buffer of its own: Node's small ones share an array. */
const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

/** N3: what we send from may be ours no longer, and the hub answers to where it heard us last. */
function moved(tunnel: Tunnel, datagrams: DialledDatagrams): void {
  // It goes on sending from the address that it sent from before, for two minutes.
  const mustRenew = tunnel.device.backend === 'wireguard-go' && datagrams.isStranded;
  datagrams.reopen();
  for (const id of tunnel.peerIds) {
    if (mustRenew) void tunnel.renew(id);
    else tunnel.startExchange(id);
  }
}

export class OpenTunnel implements AsyncDisposable {
  readonly tunnel: Tunnel;
  readonly #options: OpenTunnelOptions;
  readonly #exchange: KeyExchange;
  readonly #stack: AsyncDisposableStack;
  readonly #fault: DeviceFault;
  #datagrams: Datagrams | undefined;

  private constructor(
    options: OpenTunnelOptions,
    exchange: KeyExchange,
    tunnel: Tunnel,
    datagrams: Datagrams,
    fault: DeviceFault,
    stack: AsyncDisposableStack,
  ) {
    this.#options = options;
    this.#exchange = exchange;
    this.tunnel = tunnel;
    this.#datagrams = datagrams;
    this.#fault = fault;
    this.#stack = stack;
  }

  /**
   * Device first, isolated before anything answers (N1); then the exchange.
   * @throws TunnelError; EADDRINUSE for the exchange's port. Nothing stays then.
   */
  static async open(options: OpenTunnelOptions): Promise<OpenTunnel> {
    const { keys, chosen, listen, cookie, clock, log, onEvent } = options;
    const { device } = chosen;
    await using opening = new AsyncDisposableStack();
    const suites = await openSuites();
    const workers = keys.pool.workers;
    const exchange = new KeyExchange({ suites, random, workers, cookie }, clock.now());
    const fault = opening.use(new DeviceFault(device, clock));
    await device.open();
    // A hub's interface and sessions outlive a restart where they can (H2); everything else goes with us.
    opening.defer(() => device.leave());
    const { pool, ownKey, nextKey } = keys;
    const tunnel = opening.use(new Tunnel({ device, exchange, pool, ownKey, clock, log, random, onEvent }));
    if (nextKey !== undefined) tunnel.addOwnKey(nextKey);
    const datagrams = opening.use(
      listen === undefined
        ? new DialledDatagrams(tunnel.receive)
        : await listenDatagrams(listen.addresses, listen.port, tunnel.receive),
    );
    tunnel.start(datagrams);
    if (datagrams instanceof DialledDatagrams) {
      opening.use(watchOwnAddresses(device.config.name, () => moved(tunnel, datagrams)));
    }
    if (device.config.isolation === 'none')
      log.warn('the tunnel is not isolated: peers reach every service of this machine', { reached: exposedText() });
    return new OpenTunnel(options, exchange, tunnel, datagrams, fault, opening.move());
  }

  /** Base64. */
  get wireguardPublicKey(): string {
    return Buffer.from(this.#options.keys.wireguard.publicKey).toString('base64');
  }
  get #nextKey(): Pick<TunnelView, 'nextWireguardPublicKey'> {
    const { nextWireguard } = this.#options.keys;
    if (nextWireguard === undefined) return {};
    return { nextWireguardPublicKey: Buffer.from(nextWireguard.publicKey).toString('base64') };
  }
  get rosenpassSha256(): string {
    return this.#options.keys.ownKey.fingerprint;
  }
  get rosenpassPublicKey(): Uint8Array {
    return this.#options.keys.rosenpassPublicKey;
  }
  /** UDP port of the exchange. */
  get rosenpassPort(): number {
    return this.#datagrams?.port ?? 0;
  }

  /** The next datagram of the exchange leaves from a new socket: after a change of our own addresses. */
  redial(): void {
    if (this.#datagrams instanceof DialledDatagrams) this.#datagrams.reopen();
  }

  view(): TunnelView {
    const { chosen } = this.#options;
    const { device, rejected, aead } = chosen;
    const { name, address, mtu, isolation, role } = device.config;
    const drops = this.tunnel.drops.counts();
    return {
      role: role.kind,
      backend: device.backend,
      backendRejected: [...rejected],
      aead: aead ?? null,
      isolation,
      isolationDetail: device.isolationDetail,
      ...(this.#fault.text !== undefined && { fault: this.#fault.text }),
      interface: name,
      address,
      mtu,
      wireguardPublicKey: this.wireguardPublicKey,
      ...this.#nextKey,
      rosenpassSha256: this.rosenpassSha256,
      listenPort: device.listenPort,
      queue: this.#queue(drops['queue'] ?? 0),
      drops,
      dropTotals: this.#dropTotals(),
      ...this.tunnel.counts.view(),
      peers: this.tunnel.peers().map((peer) => this.#fault.shown(peer)),
    };
  }

  #dropTotals(): Record<string, number> {
    const totals: Record<string, number> = { ...this.#options.chosen.queue()?.drops };
    for (const [reason, count] of this.tunnel.drops.totals()) totals[reason] = (totals[reason] ?? 0) + count;
    return totals;
  }

  /** Handshakes that wait for a thread, and packets that wait for a session. */
  #queue(refused: number): TunnelView['queue'] {
    const packets = this.#options.chosen.queue();
    const depth = this.#exchange.status().queued + (packets?.depth ?? 0);
    return { depth, dropped: refused + (packets?.dropped ?? 0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#datagrams = undefined;
    await this.#stack.disposeAsync();
  }
}
