/**
 * A WireGuard device whose PSKs come from Rosenpass exchanges (spec tunnel.md 2.4–2.7). It joins three parts that know
 * nothing of each other:
 *
 *     UDP ⇄ key exchange (state machine + threads) ──exchanged, stale──▶ PSK manager ──setPsk, cut──▶ device
 *                         ▲                                                  │
 *                         └───────────── another exchange, please ◀──────────┘
 *
 * labman has one of these with one peer, the hub; labd one with a peer for each node.
 */
import type { KnownKey, OwnKey } from '@labmesh/rosenpass/effects';
import type { ExchangeResult, TunnelPeer } from '@labmesh/wire/tunnel';
import { type PskEvent, PskManager } from '@labmesh/wireguard/psk/psk-manager';
import type { Endpoint, PeerState, TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { Datagrams } from './datagrams.ts';
import { DropBook } from './drop-book.ts';
import { ExchangeDriver, type ExchangeNews } from './exchange-driver.ts';
import { ExchangeWaits } from './exchange-waits.ts';
import { type HubKeys, LinkKeys } from './link-keys.ts';
import { isSameDevicePeer, isSameExchange } from './same-peer.ts';
import type { TunnelParts } from './tunnel-parts.ts';
import { type PeerTally, showPeer, type TunnelPeerSettings } from './tunnel-peer.ts';
import { putKeyOut } from './keys/put-key-out.ts';
import { TunnelKeyError } from './keys/tunnel-key-error.ts';

type Entry = {
  settings: TunnelPeerSettings;
  tally: PeerTally;
  wireguardEndpoint: Endpoint | undefined;
  /** Its Rosenpass key, as the exchange has it. */
  known?: KnownKey;
  /** Of its exchanges with that key. */
  link: LinkKeys;
};

const hexOf = (key: Uint8Array) => Buffer.from(key).toString('hex');

export class Tunnel implements AsyncDisposable {
  readonly drops: DropBook;
  readonly #parts: TunnelParts;
  readonly #driver: ExchangeDriver;
  readonly #psks: PskManager;
  readonly #entries = new Map<string, Entry>();
  readonly #waits: ExchangeWaits;
  readonly #ending = new AbortController();
  #beginsWith: number;
  #polling = Promise.resolve();

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#beginsWith = parts.ownKey.index;
    const { device, exchange, pool, clock, random, log } = parts;
    this.drops = new DropBook(clock, log);
    this.#waits = new ExchangeWaits(clock);
    exchange.addOwnKey(parts.ownKey);
    this.#driver = new ExchangeDriver({ exchange, pool, clock, onNews: (news) => this.#onNews(news) });
    this.#psks = new PskManager({ device, clock, random, onEvent: (event) => this.#onPskEvent(event) });
  }

  get device(): TunnelDevice {
    return this.#parts.device;
  }
  /** Takes what arrives on the exchange's socket. */
  get receive(): ExchangeDriver['receive'] {
    return this.#driver.receive;
  }

  /** Begins: datagrams leave here, and the device is looked at from now on. */
  start(datagrams: Pick<Datagrams, 'send'>): void {
    this.#driver.attach(datagrams);
    this.#polling = this.#poll();
  }

  /** Another own pair answers as well from now on (K8). */
  addOwnKey(key: OwnKey): void {
    this.#parts.exchange.addOwnKey(key);
  }
  /** Exchanges are begun with this own pair from now on, one at once with each peer with which we begin. */
  beginWith(ownKey: OwnKey): void {
    const { exchange, clock } = this.#parts;
    exchange.addOwnKey(ownKey);
    this.#beginsWith = ownKey.index;
    for (const [id, { settings }] of this.#entries) {
      if (settings.rosenpass === undefined) continue;
      this.#driver.perform(exchange.updatePeer(id, { ownKey: ownKey.index }, clock.now()));
      // A node begins by itself (N4).
      if (settings.rosenpass.schedule !== 'hub') this.startExchange(id);
    }
  }
  /** Messages to it are dropped from now on. */
  removeOwnKey(index: number): void {
    this.#parts.exchange.removeOwnKey(index);
  }

  /**
   * Adds a peer, or gives it these settings. Another WireGuard key, address or place begins it anew, with a random PSK.
   * Another Rosenpass key does not touch its session (K8), which ends as ever unless an exchange with that key follows;
   * mode and dialect change in place.
   * @throws TunnelKeyError ROSENPASS_KEY_INVALID when its public key is not in the folder; what the device says
   */
  async setPeer(settings: TunnelPeerSettings): Promise<void> {
    const old = this.#entries.get(settings.id);
    if (old !== undefined && isSameDevicePeer(old.settings, settings)) {
      // A removal that the device refused has ended its exchange.
      const isWhole = settings.rosenpass === undefined || this.#parts.exchange.peerStatus(settings.id) !== undefined;
      if (isWhole && isSameExchange(old.settings, settings)) return this.#change(old, settings);
      if (old.settings.rosenpass !== undefined && settings.rosenpass !== undefined) return this.#rekey(old, settings);
    }
    // Before anything changes: a key that is not there leaves the peer as it is.
    const known = await this.#describe(settings);
    if (old !== undefined) await this.removePeer(settings.id);
    const { id, wireguardPublicKey: publicKey, mode, fallbackAfterMs, address, endpoint, keepaliveS } = settings;
    const hasRosenpass = settings.rosenpass !== undefined;
    const presharedKey = this.#psks.add({ id, publicKey, mode, hasRosenpass, fallbackAfterMs });
    const tally = { exchanges: 0, lastError: undefined, last: undefined };
    this.#entries.set(id, { settings, tally, wireguardEndpoint: undefined, link: new LinkKeys() });
    try {
      await this.device.setPeer({ publicKey, presharedKey, address, keepaliveS, ...(endpoint && { endpoint }) });
    } catch (error) {
      this.#entries.delete(id);
      this.#psks.remove(id);
      throw error;
    } finally {
      presharedKey.fill(0);
    }
    try {
      this.#addToExchange(settings, known);
    } catch (error) {
      await this.removePeer(id);
      throw error;
    }
  }

  /**
   * Takes a peer and its session away. Nothing happens when it is not there. While the device refuses, the peer stays known,
   * so that it is cut when its last exchange has expired, and can be removed again.
   * @throws what the device says
   */
  async removePeer(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.removePeer(id, clock.now()));
    await this.device.removePeer(entry.settings.wireguardPublicKey);
    entry.link.clear();
    this.#entries.delete(id);
    this.#psks.remove(id);
    this.drops.forget(id);
  }

  /**
   * Takes away what the device has of an earlier run and nobody has set since: peers that were removed meanwhile (H2). Gives
   * how many.
   * @throws what the device says
   */
  async removeStrangers(): Promise<number> {
    const known = new Set([...this.#entries.values()].map(({ settings }) => hexOf(settings.wireguardPublicKey)));
    const strangers = (await this.device.peers()).filter(({ publicKey }) => !known.has(hexOf(publicKey)));
    for (const { publicKey } of strangers) await this.device.removePeer(publicKey);
    return strangers.length;
  }

  /** Where the peer's exchange is dialled from now on; WireGuard's place is the device's. */
  moveExchange(id: string, endpoint: Endpoint): void {
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.updatePeer(id, { endpoint }, clock.now()));
  }

  /** Begins an exchange at once, if it is ours to begin. */
  startExchange(id: string): void {
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.startExchange(id, clock.now()));
  }

  /** One exchange now, and how it went (≤ 10 s). Undefined: no such peer. */
  async exchangeNow(id: string): Promise<ExchangeResult | undefined> {
    const { clock } = this.#parts;
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    if (entry.settings.rosenpass === undefined) return this.#result(entry, 0, 'this peer has no Rosenpass key');
    const begun = clock.now();
    const ended = this.#waits.wait(id);
    this.startExchange(id);
    const error = await ended;
    return this.#result(entry, clock.now() - begun, error);
  }

  /** Ends the session now; the next exchange heals it. False: no such peer. */
  cut(id: string): Promise<boolean> {
    return this.#psks.cut(id);
  }

  /**
   * The other side has lost our session: ours is ended too, and an exchange begins at once. A classical peer stays as it is:
   * nothing would heal it.
   */
  async renew(id: string): Promise<void> {
    if (this.#entries.get(id)?.settings.rosenpass === undefined) return;
    await this.cut(id);
    this.startExchange(id);
  }

  /** What shows this peer that a next key is our word (K8); undefined: there was no exchange with it lately. */
  proveHubKeys(id: string, keys: HubKeys): string | undefined {
    return this.#entries.get(id)?.link.prove(keys, this.#parts.clock.now());
  }
  /** Whether this peer, while it holds the key that it is known by, has said so (K8). */
  areHubKeysProven(id: string, keys: HubKeys, proof: string): boolean {
    const entry = this.#entries.get(id);
    if (entry?.known?.fingerprint !== keys.current) return false;
    return entry.link.isProven(keys, proof, this.#parts.clock.now());
  }

  get peerIds(): string[] {
    return [...this.#entries.keys()];
  }
  /** Undefined: no such peer. */
  peer(id: string): TunnelPeer | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#show(entry);
  }
  peers(): TunnelPeer[] {
    return [...this.#entries.values()].map((entry) => this.#show(entry));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#driver[Symbol.dispose]();
    this.#waits.close();
    await this.#polling;
    this.#parts.exchange[Symbol.dispose]();
    for (const { link } of this.#entries.values()) link.clear();
  }

  #result(entry: Entry, tookMs: number, error: string | undefined): ExchangeResult {
    const peer = this.#show(entry);
    return {
      ok: error === undefined,
      tookMs: error === undefined ? Math.round(tookMs) : null,
      error: error ?? null,
      peer,
    };
  }

  #show({ settings, tally, wireguardEndpoint }: Entry): TunnelPeer {
    const { exchange, clock } = this.#parts;
    const psk = this.#psks.status(settings.id);
    if (psk === undefined) throw new Error('a peer has no PSK record');
    return showPeer({
      settings,
      psk,
      exchange: exchange.peerStatus(settings.id),
      endpoint: wireguardEndpoint,
      tally,
      failures: this.drops.counts(settings.id),
      now: { mono: clock.now(), wall: clock.wall() },
    });
  }

  async #change(entry: Entry, settings: TunnelPeerSettings): Promise<void> {
    const { exchange, clock } = this.#parts;
    entry.settings = settings;
    await this.#psks.setMode(settings.id, settings.mode);
    if (settings.rosenpass === undefined) return;
    const { version, ciphertext } = settings.rosenpass;
    this.#driver.perform(exchange.updatePeer(settings.id, { version, ciphertext }, clock.now()));
  }

  /** The peer shows another Rosenpass key: its exchange begins anew, its WireGuard session goes on. */
  async #rekey(entry: Entry, settings: TunnelPeerSettings): Promise<void> {
    const known = await this.#describe(settings);
    const { id, mode } = settings;
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.removePeer(id, clock.now()));
    if (entry.known?.fingerprint !== known?.fingerprint) entry.link.clear();
    entry.settings = settings;
    try {
      this.#addToExchange(settings, known);
    } catch (error) {
      await this.removePeer(id);
      throw error;
    }
    await this.#psks.setMode(id, mode);
  }

  #addToExchange({ id, rosenpass }: TunnelPeerSettings, key: KnownKey | undefined): void {
    if (rosenpass === undefined || key === undefined) return;
    const entry = this.#entries.get(id);
    if (entry !== undefined) entry.known = key;
    const { exchange, clock } = this.#parts;
    const { schedule, version, ciphertext, endpoint, presharedKey } = rosenpass;
    const peer = { id, key, ownKey: this.#beginsWith, schedule, version, ciphertext, endpoint, presharedKey };
    this.#driver.perform(exchange.addPeer(peer, clock.now()));
  }

  async #describe({ rosenpass, name }: TunnelPeerSettings) {
    if (rosenpass === undefined) return undefined;
    const { fingerprint } = rosenpass;
    const described = await this.#parts.pool.run({ step: 'describe', peerKey: fingerprint });
    if (described.step === 'describe') return { fingerprint, prefixes: described.prefixes };
    throw new TunnelKeyError('ROSENPASS_KEY_INVALID', `the Rosenpass key of ${name} (${fingerprint}) is not here`);
  }

  #onNews(news: ExchangeNews): void {
    const { log, onEvent } = this.#parts;
    const failed = (error: unknown) => log.error('the PSK of a peer could not be changed', { peer: news.peer, error });
    if (news.effect === 'dropped') return this.#onDropped(news);
    if (news.effect === 'stale') {
      this.#putKey(news.peer, this.#parts.random(32), 'stale');
      return void this.#psks.stale(news.peer).catch(failed);
    }
    const { peer, role, ownKey, version, ciphertext, osk, linkKey } = news;
    const entry = this.#entries.get(peer);
    if (entry === undefined) return [osk, linkKey].forEach((key) => key.fill(0));
    const { tally, link } = entry;
    link.add(linkKey, this.#parts.clock.now());
    tally.exchanges++;
    tally.lastError = undefined;
    tally.last = { at: this.#parts.clock.now(), role, version, ciphertext };
    log.debug('exchanged', { peer, role, version, ciphertext });
    this.#putKey(peer, osk, 'exchanged');
    this.#psks.exchanged(peer, osk).then(() => {
      this.#waits.settle(peer, undefined);
      onEvent({ event: 'exchanged', peer, role, ownKey });
    }, failed);
  }

  #putKey(id: string, key: Uint8Array, reason: 'exchanged' | 'stale'): void {
    const entry = this.#entries.get(id);
    const path = entry?.settings.rosenpass?.keyOut;
    if (entry?.known === undefined || path === undefined) return;
    const { known: peer, tally } = entry;
    try {
      putKeyOut({ path, peer, version: tally.last?.version ?? 'V03', key }, reason);
    } catch (error) {
      this.#parts.log.error('the key file for other programs was not written', { path, error });
    }
  }

  #onDropped({ peer, reason, detail }: Extract<ExchangeNews, { effect: 'dropped' }>): void {
    this.drops.add(peer, reason, detail);
    const entry = peer === undefined ? undefined : this.#entries.get(peer);
    if (entry === undefined || peer === undefined) return;
    if (reason === 'timeout') {
      if (entry.tally.lastError !== 'ROSENPASS_TIMEOUT') this.#parts.onEvent({ event: 'exchange_timeout', peer });
      entry.tally.lastError = 'ROSENPASS_TIMEOUT';
    } else if (reason === 'version' || reason === 'encoding') {
      const code = `ROSENPASS_${reason.toUpperCase()}_MISMATCH`;
      entry.tally.lastError = code;
      this.#waits.settle(peer, `${code}: ${detail ?? 'the peer speaks another one'}`);
    } else if (reason === 'state' && detail !== undefined) this.#waits.settle(peer, detail);
  }

  #onPskEvent(event: PskEvent): void {
    const { onEvent, log } = this.#parts;
    const { peer } = event;
    if (event.event === 'exchange_wanted') this.startExchange(peer);
    else if (event.event === 'write_failed') log.error('the device did not take a PSK', { peer, error: event.error });
    else if (event.event === 'fallback') onEvent({ event: 'pq_fallback', peer });
    else if (event.event !== 'pq') onEvent({ event: event.event, peer });
    else if (event.verdict.pq === 'active') onEvent({ event: 'pq_active', peer });
    // From one doubt to another is no news.
    else if (event.before.pq === 'active') onEvent({ event: 'pq_stale', peer, reason: event.verdict.reason });
  }

  async #poll(): Promise<void> {
    const { clock, log } = this.#parts;
    const { signal } = this.#ending;
    let failed = false;
    while (!signal.aborted) {
      await clock.sleep(this.#psks.pollAfterMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        this.#noteEndpoints(await this.#psks.poll());
        failed = false;
      } catch (error) {
        if (!failed) log.error('the tunnel device does not answer', { error });
        failed = true;
      }
    }
  }

  #noteEndpoints(states: readonly PeerState[]): void {
    const places = new Map(states.map((one) => [hexOf(one.publicKey), one.endpoint]));
    for (const entry of this.#entries.values()) {
      entry.wireguardEndpoint = places.get(hexOf(entry.settings.wireguardPublicKey));
    }
  }
}
