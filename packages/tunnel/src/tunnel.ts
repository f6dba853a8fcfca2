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
import type { Endpoint, TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import type { Datagrams } from './datagrams.ts';
import { describePeer } from './describe-peer.ts';
import { DevicePeers } from './device-peers.ts';
import { ExchangeDriver, type ExchangeNews } from './exchange-driver.ts';
import { type LinkClaim, LinkKeys } from './link-keys.ts';
import { exchangeChange, isSameDevicePeer, isSameExchange, isSamePlace } from './same-peer.ts';
import type { TunnelEvent, TunnelParts } from './tunnel-parts.ts';
import { type PeerTally, showPeer, type TunnelPeerSettings } from './tunnel-peer.ts';
import { exchangeResult } from './exchange/exchange-waits.ts';
import { PeerTroubles } from './exchange/peer-troubles.ts';
import { putKeyOut } from './keys/put-key-out.ts';

type Entry = {
  settings: TunnelPeerSettings;
  tally: PeerTally;
  /** Its Rosenpass key, as the exchange has it. */
  known?: KnownKey;
  /** Of its exchanges with that key. */
  link: LinkKeys;
};

const hexOf = (key: Uint8Array) => Buffer.from(key).toString('hex');
const isSameKey = (one: Uint8Array | undefined, two: Uint8Array) => one !== undefined && hexOf(one) === hexOf(two);

export class Tunnel implements AsyncDisposable {
  readonly #parts: TunnelParts;
  readonly #driver: ExchangeDriver;
  readonly #inDevice: DevicePeers;
  readonly #entries = new Map<string, Entry>();
  readonly #troubles: PeerTroubles;
  readonly #ending = new AbortController();
  #beginsWith: number;
  #polling = Promise.resolve();
  /** Work on the peers of the device, one after another. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#beginsWith = parts.ownKey.index;
    const { exchange, pool, clock } = parts;
    this.#troubles = new PeerTroubles(parts);
    exchange.addOwnKey(parts.ownKey);
    const onStep = this.#troubles.counts.stepped.bind(this.#troubles.counts);
    this.#driver = new ExchangeDriver({ exchange, pool, clock, onNews: (news) => this.#onNews(news), onStep });
    this.#inDevice = new DevicePeers({
      ...parts,
      onEvent: (event) => parts.onEvent(event.event === 'psk_mismatch' ? this.#mismatch(event.peer) : event),
      onExchangeWanted: (id) => this.startExchange(id),
      onNextUsed: (id) => void this.#nextUsed(id),
      onLooked: (states) => this.#troubles.looked(this.#settings(), states, (id) => this.#inDevice.psks.status(id)),
    });
  }

  get device(): TunnelDevice {
    return this.#parts.device;
  }
  /** What was refused, by peer and reason. */
  get drops(): PeerTroubles['drops'] {
    return this.#troubles.drops;
  }
  /** How exchanges ended, of all peers. */
  get counts(): PeerTroubles['counts'] {
    return this.#troubles.counts;
  }
  /** Takes what arrives on the exchange's socket. */
  get receive(): ExchangeDriver['receive'] {
    return this.#driver.receive;
  }

  /** Begins: datagrams leave here, and the device is looked at from now on. */
  start(datagrams: Pick<Datagrams, 'send'>): void {
    this.#driver.attach(datagrams);
    this.#polling = this.#inDevice.watch(this.#ending.signal);
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
   * Adds a peer, or gives it these settings. Another WireGuard key or address begins it anew, with a random PSK;
   * another place is dialled from now on, and its session goes on (N2, Q4).
   * Another Rosenpass key does not touch its session (K8), which ends as ever unless an exchange with that key follows; nor
   * does the next WireGuard key, once it was announced; mode and dialect change in place.
   * @throws TunnelKeyError ROSENPASS_KEY_INVALID when its public key is not in the folder; what the device says
   */
  setPeer(settings: TunnelPeerSettings): Promise<void> {
    return this.#inTurn(async () => {
      const old = this.#entries.get(settings.id);
      if (old !== undefined && isSameKey(old.settings.nextWireguardKey, settings.wireguardPublicKey))
        await this.#takeNext(settings.id);
      const settled = await this.#inDevice.nexts.settle(settings, old?.settings.wireguardPublicKey);
      await this.#set(settled);
      const isNew = await this.#inDevice.nexts.set(settled.id, settled.rosenpass && settled.nextWireguardKey);
      // Before it nothing can shake hands with that key, and the next would be two minutes away.
      if (isNew && settled.rosenpass?.schedule === 'node') this.startExchange(settled.id);
    });
  }

  async #set(settings: TunnelPeerSettings): Promise<void> {
    const old = this.#entries.get(settings.id);
    if (old !== undefined && isSameDevicePeer(old.settings, settings)) {
      await this.#move(old, settings.endpoint);
      // A removal that the device refused has ended its exchange.
      const isWhole = settings.rosenpass === undefined || this.#parts.exchange.peerStatus(settings.id) !== undefined;
      if (isWhole && isSameExchange(old.settings, settings)) return this.#change(old, settings);
      if (old.settings.rosenpass !== undefined && settings.rosenpass !== undefined) return this.#rekey(old, settings);
    }
    // Before anything changes: a key that is not there leaves the peer as it is.
    const known = await describePeer(this.#parts.pool, settings);
    if (old !== undefined) await this.#remove(settings.id);
    const { id } = settings;
    await this.#inDevice.add(settings);
    const tally = { exchanges: 0, lastError: undefined, last: undefined };
    this.#entries.set(id, { settings, tally, link: new LinkKeys() });
    try {
      this.#addToExchange(settings, known);
    } catch (error) {
      await this.#remove(id);
      throw error;
    }
  }

  /**
   * Takes a peer and its session away. Nothing happens when it is not there. While the device refuses, the peer stays known,
   * so that it is cut when its last exchange has expired, and can be removed again.
   * @throws what the device says
   */
  removePeer(id: string): Promise<void> {
    return this.#inTurn(() => this.#remove(id));
  }

  async #remove(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.removePeer(id, clock.now()));
    await this.#inDevice.remove(entry.settings);
    entry.link.clear();
    this.#entries.delete(id);
    this.drops.forget(id);
  }

  /**
   * Takes away what the device has of an earlier run and nobody has set since: peers that were removed meanwhile (H2). Gives
   * how many.
   * @throws what the device says
   */
  removeStrangers(): Promise<number> {
    return this.#inDevice.removeOthers(this.#settings().map(({ wireguardPublicKey }) => wireguardPublicKey));
  }

  /** For how long its exchange has gone unanswered, ms; 0: none is waited for. */
  unansweredMs(id: string): number {
    const waiting = this.#parts.exchange.peerStatus(id)?.unanswered;
    return waiting === undefined ? 0 : this.#parts.clock.now() - waiting.since;
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
    if (entry.settings.rosenpass === undefined)
      return exchangeResult(this.#show(entry), 0, 'this peer has no Rosenpass key');
    const begun = clock.now();
    const ended = this.#troubles.wait(id);
    this.startExchange(id);
    const error = await ended;
    return exchangeResult(this.#show(entry), clock.now() - begun, error);
  }

  /** Ends the session now; the next exchange heals it. False: no such peer. */
  cut(id: string): Promise<boolean> {
    return this.#inDevice.psks.cut(id);
  }

  /**
   * The other side has lost our session: ours is ended too, and an exchange begins at once. A classical peer stays as it is:
   * nothing would heal it.
   */
  async renew(id: string): Promise<void> {
    if (this.#entries.get(id)?.settings.rosenpass === undefined) return;
    // Nor would an exchange that does not come: one that fell back stays as it is, too.
    if (this.peer(id)?.pskKind !== 'none') await this.cut(id);
    this.startExchange(id);
  }

  /** Another private key for the device: peers that do not expect it hear us no more (K8). @throws what the device says */
  setPrivateKey(privateKey: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.device.setPrivateKey(privateKey));
  }

  /** What shows this peer that this is our word (K8); undefined: there was no exchange with it lately. */
  prove(id: string, claim: LinkClaim): string | undefined {
    return this.#entries.get(id)?.link.prove(claim, this.#parts.clock.now());
  }
  /** Whether this peer, by the Rosenpass key `known`, has said so, in an exchange that ended `since` then (monotonic ms, K8). */
  isProven(id: string, known: string, claim: LinkClaim, proof: string, since?: number): boolean {
    const entry = this.#entries.get(id);
    if (entry?.known?.fingerprint !== known) return false;
    return entry.link.isProven(claim, proof, this.#parts.clock.now(), since);
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
    this.#troubles.waits.close();
    await this.#polling;
    this.#parts.exchange[Symbol.dispose]();
    for (const { link } of this.#entries.values()) link.clear();
  }

  #mismatch(peer: string): TunnelEvent {
    return { event: 'psk_mismatch', peer, reason: this.peer(peer)?.lastError ?? 'PSK_MISMATCH' };
  }

  #settings(): TunnelPeerSettings[] {
    return [...this.#entries.values()].map(({ settings }) => settings);
  }

  #show({ settings, tally }: Entry): TunnelPeer {
    const { exchange, clock } = this.#parts;
    const psk = this.#inDevice.psks.status(settings.id);
    if (psk === undefined) throw new Error('a peer has no PSK record');
    return showPeer({
      settings,
      psk,
      exchange: exchange.peerStatus(settings.id),
      endpoint: this.#inDevice.endpointOf(settings),
      tally,
      failures: this.drops.counts(settings.id),
      handshakeError: this.#troubles.handshakeError(settings.id),
      now: { mono: clock.now(), wall: clock.wall() },
    });
  }

  async #change(entry: Entry, settings: TunnelPeerSettings): Promise<void> {
    const { exchange, clock } = this.#parts;
    const change = exchangeChange(entry.settings, settings, exchange.peerStatus(settings.id)?.endpoint);
    entry.settings = settings;
    await this.#inDevice.psks.setMode(settings.id, settings.mode);
    if (change === undefined) return;
    this.#driver.perform(exchange.updatePeer(settings.id, change, clock.now()));
    // Nothing waits that would show whether it is there.
    const { initiating } = exchange.peerStatus(settings.id) ?? {};
    if (change.endpoint !== undefined && initiating === 'idle') this.startExchange(settings.id);
  }

  async #move(entry: Entry, endpoint: Endpoint | undefined): Promise<void> {
    const { settings } = entry;
    if (endpoint === undefined || isSamePlace(endpoint, settings.endpoint)) return;
    await this.device.movePeer(settings.wireguardPublicKey, endpoint);
    entry.settings = { ...settings, endpoint };
  }

  /** The peer shows another Rosenpass key: its exchange begins anew, its WireGuard session goes on. */
  async #rekey(entry: Entry, settings: TunnelPeerSettings): Promise<void> {
    const known = await describePeer(this.#parts.pool, settings);
    const { id, mode } = settings;
    const { exchange, clock } = this.#parts;
    this.#driver.perform(exchange.removePeer(id, clock.now()));
    if (entry.known?.fingerprint !== known?.fingerprint) entry.link.clear();
    entry.settings = settings;
    try {
      this.#addToExchange(settings, known);
    } catch (error) {
      await this.#remove(id);
      throw error;
    }
    await this.#inDevice.psks.setMode(id, mode);
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

  #onNews(news: ExchangeNews): void {
    const { log, onEvent } = this.#parts;
    const failed = (error: unknown) => log.error('the PSK of a peer could not be changed', { peer: news.peer, error });
    if (news.effect === 'dropped') return this.#troubles.dropped(news, this.#entries.get(news.peer ?? '')?.tally);
    if (news.effect === 'stale') {
      this.#putKey(news.peer, this.#parts.random(32), 'stale');
      return void this.#inDevice.psks.stale(news.peer).catch(failed);
    }
    const { peer, role, ownKey, version, ciphertext, osk, linkKey, endpoint } = news;
    const entry = this.#entries.get(peer);
    if (entry === undefined) return [osk, linkKey].forEach((key) => key.fill(0));
    const { tally, link } = entry;
    link.add(linkKey, this.#parts.clock.now());
    tally.exchanges++;
    this.#troubles.counts.ended(role);
    tally.lastError = undefined;
    tally.last = { at: this.#parts.clock.now(), role, version, ciphertext };
    log.debug('exchanged', { peer, role, version, ciphertext });
    this.#putKey(peer, osk, 'exchanged');
    this.#inDevice.psks.exchanged(peer, osk).then(() => {
      this.#troubles.waits.settle(peer, undefined);
      onEvent({ event: 'exchanged', peer, role, ownKey, endpoint });
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

  /** At most once for each next key: the other end uses it. */
  async #nextUsed(id: string): Promise<void> {
    try {
      await this.#inTurn(() => this.#takeNext(id));
    } catch (error) {
      // Told again at the next look.
      this.#parts.log.error('a peer’s next WireGuard key could not take its place', { peer: id, error });
    }
  }

  async #takeNext(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    const key = entry && (await this.#inDevice.nexts.take(entry.settings));
    if (entry === undefined || key === undefined) return;
    entry.settings = { ...entry.settings, wireguardPublicKey: key, nextWireguardKey: undefined };
    this.#parts.onEvent({ event: 'wireguard_key', peer: id, publicKey: Buffer.from(key).toString('base64') });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}
