/**
 * A tunnel device that is a network interface: kernel, wireguard-go, or our own data plane behind a TUN. What is common
 * is here: the name, the isolation, one address, settings, the watch, the way down (spec tunnel.md N1, N5, H1, I1-I13).
 *
 *     check ─▶ isolation ─▶ interface ─▶ (move) ─▶ settings ─▶ keys ─▶ address ─▶ up ─▶ watched
 *
 * An open that fails undoes what it did; closing does the same.
 */
import type { IsolationOptions } from '../isolation/isolation.ts';
import type {
  DeviceConfig,
  DeviceEvent,
  DeviceStep,
  Endpoint,
  PeerConfig,
  PeerPlace,
  PeerState,
  TunnelDevice,
} from '../tunnel-device.ts';
import type { LinkBackend } from './link-backend.ts';
import { LinkGuard } from './link-guard.ts';
import { LinkPeers } from './link-peers.ts';
import { guardedLink, linkSteps, type Opening } from './open-link.ts';

type Open = { opening: Opening; peers: LinkPeers; stack: AsyncDisposableStack };

export class LinkDevice implements TunnelDevice {
  readonly backend: LinkBackend['name'];
  readonly config: DeviceConfig;
  readonly #backend: LinkBackend;
  readonly #options: IsolationOptions;
  readonly #listeners = new Set<(event: DeviceEvent) => void>();
  #open: Open | undefined;
  #opened = false;

  /** @param options for tests of kernels that this one is not. */
  constructor(config: DeviceConfig, backend: LinkBackend, options: Pick<IsolationOptions, 'tableOwner'> = {}) {
    this.backend = backend.name;
    this.config = config;
    this.#backend = backend;
    this.#options = { ...options, innerFilter: backend.innerFilter, outlives: backend.bornOutside };
  }

  plan(): readonly DeviceStep[] {
    return linkSteps(this.config, this.#backend, this.#options).map(({ step, detail }) => ({ step, detail }));
  }

  /** Only the first step of `open`: what it would refuse before it touches anything. @throws TunnelError */
  async check(): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const opening = { config: this.config, backend: this.#backend, stack, routes: new Set<string>() } as Opening;
    await linkSteps(this.config, this.#backend, this.#options)[0]?.run(opening);
  }

  async open(): Promise<void> {
    if (this.#opened) throw new Error('a device is opened once');
    this.#opened = true;
    await using stack = new AsyncDisposableStack();
    const opening = { config: this.config, backend: this.#backend, stack, routes: new Set<string>() } as Opening;
    for (const { run } of linkSteps(this.config, this.#backend, this.#options)) await run(opening);
    const peers = new LinkPeers(opening);
    await peers.adopt();
    stack.use(await LinkGuard.open(guardedLink(opening), opening.isolation, (event) => this.#tell(event)));
    this.#open = { opening, peers, stack: stack.move() };
  }

  #whileOpen(): Open {
    if (this.#open === undefined) throw new Error('the tunnel device is not open');
    return this.#open;
  }

  #tell(event: DeviceEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  get listenPort(): number {
    return this.#whileOpen().opening.listenPort;
  }

  /** How the isolation is done here, for status. */
  get isolationDetail(): string {
    return this.#whileOpen().opening.isolation.detail;
  }

  async setPeer(peer: PeerConfig): Promise<void> {
    await this.#whileOpen().peers.setPeer(peer);
  }

  async movePeer(publicKey: Uint8Array, endpoint: Endpoint): Promise<void> {
    await this.#whileOpen().peers.movePeer(publicKey, endpoint);
  }

  async setPsk(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#whileOpen().peers.setPsk(publicKey, presharedKey);
  }

  async cutPeer(publicKey: Uint8Array, presharedKey: Uint8Array): Promise<boolean> {
    return this.#whileOpen().peers.cutPeer(publicKey, presharedKey);
  }

  async removePeer(publicKey: Uint8Array): Promise<void> {
    await this.#whileOpen().peers.removePeer(publicKey);
  }

  async setPrivateKey(privateKey: Uint8Array): Promise<void> {
    await this.#whileOpen().peers.setPrivateKey(privateKey);
  }

  async handOver(from: Uint8Array, to: PeerPlace): Promise<boolean> {
    return this.#whileOpen().peers.handOver(from, to);
  }

  async answerFor(addresses: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return this.#whileOpen().peers.answerFor(addresses);
  }

  async peers(): Promise<PeerState[]> {
    return this.#whileOpen().peers.list();
  }

  watch(listener: (event: DeviceEvent) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), { once: true });
  }

  inside<T>(work: () => T): T {
    return this.#whileOpen().opening.isolation.inside(work);
  }

  /**
   * Ends a hub, but leaves its interface, peers and sessions to the next process of its mark, which `open` takes over
   * (H2); until then the isolation holds. Whoever lives in this process ends with it: a node, our own data plane.
   */
  async leave(): Promise<void> {
    if (this.config.role.kind === 'hub' && this.#backend.bornOutside) {
      const { opening } = this.#whileOpen();
      opening.isolation.keep();
      opening.isLeft = true;
    }
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.stack.disposeAsync();
  }
}
