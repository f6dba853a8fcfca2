/**
 * The PSKs of a device's peers (spec tunnel.md 2.6): a random one before there is a key, the exchanged one as soon as there
 * is, and none that outlives its exchange. Fed by plain `exchanged` and `stale` events, so that it needs to know nothing of
 * how keys are exchanged.
 *
 *     add ──▶ random PSK ──exchanged──▶ osk ──180 s──▶ strict: cut (removed and added again, random PSK)
 *                  ▲                     │             permissive: PSK taken away, told as pq_fallback
 *                  └──────── cut ◀───────┘             the next exchange heals both
 *
 * A peer may have a next WireGuard key beside the present one (K8): it gets what the peer gets, from a random PSK on, and is
 * cut with it. Work on one peer is done one after another; another peer never waits for it.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '@labmesh/kit/clock';
import type { PeerState, TunnelDevice } from '../tunnel-device.ts';
import type { PqReason, PqVerdict, PskKind } from './judge-pq.ts';
import { type Now, type PskPeer, PskRecord } from './psk-record.ts';

const pskBytes = 32;
/** V4: the device is asked often while a handshake is near. */
const pollFastMs = 1_000;
const pollSlowMs = 5_000;
const fastAfterKeyMs = 30_000;
/** What passes between the first handshake with a next key and the look that sees it is lost. */
const pollNextMs = 200;
/** What is overdue because the device refuses is tried again after. */
const pollOverdueMs = 250;

export type PskEvent =
  | { event: 'pq'; peer: string; verdict: PqVerdict; before: PqVerdict }
  /** The peer was cut: its session is gone until the next exchange. */
  | { event: 'cut'; peer: string }
  | { event: 'fallback'; peer: string }
  /** Both ends had exchanges and no handshake follows (Q8). */
  | { event: 'psk_mismatch'; peer: string }
  | { event: 'exchange_wanted'; peer: string }
  /** The peer's next WireGuard key has shaken hands; told at each look until it is taken (K8). */
  | { event: 'next_key_used'; peer: string }
  /** The device did not take a key. `error` holds none. */
  | { event: 'write_failed'; peer: string; error: unknown };

export type PskStatus = {
  pq: PqVerdict['pq'];
  reason: PqReason;
  /** Wall clock. */
  since: number;
  /** Wall clock. */
  lastHandshakeMs: number | undefined;
  pskKind: PskKind;
  generation: number;
  isMismatched: boolean;
  /** There is a next WireGuard key, and it may shake hands (K8). */
  isNextKeyed: boolean;
  rxBytes: number;
  txBytes: number;
};

export type PskManagerParts = {
  device: Pick<TunnelDevice, 'setPsk' | 'cutPeer' | 'peers'>;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  onEvent: (event: PskEvent) => void;
};

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

export class PskManager {
  readonly #parts: PskManagerParts;
  readonly #records = new Map<string, PskRecord>();
  /** Of next WireGuard keys, by the peer's id. */
  readonly #nexts = new Map<string, PskRecord>();
  /** Ends of the work that runs for each peer. */
  readonly #turns = new Map<string, Promise<void>>();
  #lastKeyAt = -Infinity;
  #cuts = 0;

  constructor(parts: PskManagerParts) {
    this.#parts = parts;
  }

  /** Takes a peer up; gives the PSK with which it is set in the device (Q1): random, or zeros for a classical peer. */
  add(peer: PskPeer): Uint8Array {
    const isClassical = !peer.hasRosenpass && peer.mode === 'permissive';
    this.#records.set(peer.id, new PskRecord(peer, isClassical ? 'none' : 'random', this.#now()));
    return isClassical ? new Uint8Array(pskBytes) : this.#parts.random(pskBytes);
  }

  /** Strict or permissive from now on; acted upon at once. */
  async setMode(id: string, mode: PskPeer['mode']): Promise<void> {
    const own = this.#records.get(id);
    if (own === undefined || own.peer.mode === mode) return;
    for (const record of this.#all(id)) record.peer = { ...record.peer, mode };
    await this.#inTurn(id, async (now) => {
      for (const record of this.#all(id)) {
        if (mode === 'strict' && (record.isFallback || record.kind === 'none')) {
          record.isFallback = false;
          await this.#cut(record);
        } else if (mode === 'permissive' && now.mono >= own.staleAt) await this.#fallBack(record);
      }
    });
  }

  remove(id: string): void {
    this.#records.delete(id);
    this.#nexts.delete(id);
  }

  /** A next key of a peer that is there; gives the random PSK with which it is set in the device (Q1, K8). */
  addNext(id: string, publicKey: Uint8Array): Uint8Array {
    const own = this.#records.get(id);
    if (own === undefined) throw new Error('there is no such peer');
    this.#nexts.set(id, new PskRecord({ ...own.peer, publicKey }, 'random', this.#now()));
    return this.#parts.random(pskBytes);
  }

  dropNext(id: string): void {
    this.#nexts.delete(id);
  }

  /** The next key is the peer's own once `handOver` has done so in the device. Gives whether it has. */
  async takeNext(id: string, handOver: () => Promise<boolean>): Promise<boolean> {
    let isDone = false;
    await this.#inTurn(id, async () => {
      const states = await this.#parts.device.peers();
      isDone = await handOver();
      // Whoever knows before the next look that it is used has seen what that look would see.
      this.#lookAtNext(id, new Map(states.map((peer) => [hex(peer.publicKey), peer])), this.#now(), () => undefined);
      const [own, next] = [this.#records.get(id), this.#nexts.get(id)];
      this.#nexts.delete(id);
      if (!isDone || own === undefined || next === undefined) return;
      next.follow(own);
      this.#records.set(id, next);
      // What the device told before is of the key that has gone.
      this.#cuts++;
    });
    return isDone;
  }

  has(id: string): boolean {
    return this.#records.has(id);
  }

  /** A key of an exchange: written, read back, zeroed. A peer that was removed meanwhile stays removed (Q2). */
  exchanged(id: string, osk: Uint8Array): Promise<void> {
    this.#lastKeyAt = this.#parts.clock.now();
    return this.#inTurn(id, async () => {
      try {
        for (const record of this.#all(id)) record.exchanged(await this.#write(record, osk, 'rosenpass'), this.#now());
      } finally {
        osk.fill(0);
      }
    });
  }

  /** The peer's exchange is too old. */
  stale(id: string): Promise<void> {
    return this.#inTurn(id, (now) => this.#expire(id, now));
  }

  /** Cuts a peer now, until its next exchange. Gives whether it was there. */
  async cut(id: string): Promise<boolean> {
    if (!this.#records.has(id)) return false;
    await this.#inTurn(id, async () => {
      for (const record of this.#all(id)) await this.#cut(record);
    });
    return true;
  }

  /**
   * Looks at the device and the time: what is due is done, what changed is told. Gives what the device said.
   * @throws what the device says
   */
  async poll(): Promise<readonly PeerState[]> {
    const states = await this.#peers();
    const seen = new Map(states.map((peer) => [hex(peer.publicKey), peer]));
    const now = this.#now();
    const due: Promise<void>[] = [];
    for (const [id, record] of this.#records) {
      // Before the handshake that it might explain.
      record.checkClock(now);
      const peer = seen.get(hex(record.peer.publicKey));
      record.seen(peer?.lastHandshakeMs, peer?.rxBytes ?? 0, peer?.txBytes ?? 0, now);
      if (now.mono >= record.staleAt && this.#all(id).some((one) => this.#isDue(one))) due.push(this.stale(id));
      if (record.wantsExchange(now)) this.#askExchange(record);
      this.#judge(record, now);
      this.#lookAtNext(id, seen, now);
    }
    await Promise.all(due);
    return states;
  }

  /** What the device tells, and not of before a cut. */
  async #peers(): Promise<PeerState[]> {
    for (;;) {
      const cuts = this.#cuts;
      const states = await this.#parts.device.peers();
      if (cuts === this.#cuts) return states;
    }
  }

  /** When to look again. */
  get pollAfterMs(): number {
    const now = this.#parts.clock.now();
    const isFast = now - this.#lastKeyAt < fastAfterKeyMs;
    const soonest = Math.min(
      ...[...this.#records.values()].filter((one) => this.#isDue(one)).map((one) => one.staleAt),
    );
    // Its end changes keys right after an exchange; one that waits on is no reason to look five times a second for hours.
    const isNextNear = ({ kind, lastKeyAt }: PskRecord) => kind === 'rosenpass' && now - lastKeyAt < fastAfterKeyMs;
    if ([...this.#nexts.values()].some(isNextNear)) return pollNextMs;
    return Math.max(pollOverdueMs, Math.min(isFast ? pollFastMs : pollSlowMs, soonest - now));
  }

  /** The peer's own record, and that of its next key. */
  #all(id: string): PskRecord[] {
    return [this.#records.get(id), this.#nexts.get(id)].filter((record) => record !== undefined);
  }

  #lookAtNext(
    id: string,
    seen: ReadonlyMap<string, PeerState>,
    now: Now,
    onEvent: (event: PskEvent) => void = this.#parts.onEvent,
  ): void {
    const next = this.#nexts.get(id);
    const state = next && seen.get(hex(next.peer.publicKey));
    if (next === undefined || state === undefined) return;
    next.checkClock(now);
    next.seen(state.lastHandshakeMs, state.rxBytes, state.txBytes, now);
    if (state.lastHandshakeMs !== undefined) onEvent({ event: 'next_key_used', peer: id });
  }

  status(id: string): PskStatus | undefined {
    const record = this.#records.get(id);
    if (record === undefined) return undefined;
    const now = this.#now();
    record.checkClock(now);
    const { pq, reason } = this.#judge(record, now);
    const { since, lastHandshakeMs, kind: pskKind, generation, isMismatched, rxBytes, txBytes } = record;
    const isNextKeyed = this.#nexts.get(id)?.kind === 'rosenpass';
    return { pq, reason, since, lastHandshakeMs, pskKind, generation, isMismatched, isNextKeyed, rxBytes, txBytes };
  }

  #now(): Now {
    const { clock } = this.#parts;
    return { mono: clock.now(), wall: clock.wall() };
  }

  /** Whether its expiry still has to be acted upon. */
  #isDue({ peer, isCut, isFallback }: PskRecord): boolean {
    if (!peer.hasRosenpass) return false;
    return peer.mode === 'strict' ? !isCut : !isFallback;
  }

  #askExchange(record: PskRecord): void {
    const { onEvent } = this.#parts;
    const peer = record.peer.id;
    if (record.isMismatched) onEvent({ event: 'psk_mismatch', peer });
    onEvent({ event: 'exchange_wanted', peer });
  }

  #judge(record: PskRecord, now: Now): PqVerdict {
    const before = record.verdict;
    const verdict = record.judge(now);
    if (verdict.pq === before.pq && verdict.reason === before.reason) return verdict;
    record.verdict = verdict;
    if (verdict.pq !== before.pq) record.since = now.wall;
    this.#parts.onEvent({ event: 'pq', peer: record.peer.id, verdict, before });
    return verdict;
  }

  /** Work for a peer after the work that runs for it. */
  #inTurn(id: string, work: (now: Now) => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(async () => {
      await work(this.#now());
      const record = this.#records.get(id);
      if (record !== undefined) this.#judge(record, this.#now());
    });
    const ended = turn.catch(() => undefined);
    this.#turns.set(id, ended);
    void ended.then(() => this.#turns.get(id) === ended && this.#turns.delete(id));
    return turn;
  }

  async #expire(id: string, now: Now): Promise<void> {
    const record = this.#records.get(id);
    // An exchange may have ended while this waited for its turn.
    if (record === undefined || now.mono < record.staleAt) return;
    for (const one of this.#all(id).filter((each) => this.#isDue(each)))
      await (one.peer.mode === 'strict' ? this.#cut(one) : this.#fallBack(one));
  }

  /** Q4: a new random PSK alone would let the old session carry data for 180 s more. */
  async #cut(record: PskRecord): Promise<void> {
    const { device, clock, random, onEvent } = this.#parts;
    const psk = random(pskBytes);
    const before = clock.wall();
    try {
      const isThere = await device.cutPeer(record.peer.publicKey, psk);
      record.wrote({ kind: 'random', before, after: clock.wall() });
      record.isCut = true;
      record.sessionEnded();
      this.#cuts++;
      if (isThere && this.#isOwn(record)) onEvent({ event: 'cut', peer: record.peer.id });
    } catch (error) {
      onEvent({ event: 'write_failed', peer: record.peer.id, error });
    } finally {
      psk.fill(0);
    }
  }

  async #fallBack(record: PskRecord): Promise<void> {
    record.isFallback = await this.#write(record, new Uint8Array(pskBytes), 'none');
    if (record.isFallback && this.#isOwn(record)) this.#parts.onEvent({ event: 'fallback', peer: record.peer.id });
  }

  #isOwn(record: PskRecord): boolean {
    return this.#records.get(record.peer.id) === record;
  }

  /** Update only, then read back. Gives whether the device has it. */
  async #write(record: PskRecord, psk: Uint8Array, kind: PskKind): Promise<boolean> {
    const { device, clock, onEvent } = this.#parts;
    const before = clock.wall();
    try {
      const found = await device.setPsk(record.peer.publicKey, psk);
      const isThere = found !== undefined && found.length === psk.length && timingSafeEqual(found, psk);
      found?.fill(0);
      if (isThere) record.wrote({ kind, before, after: clock.wall() });
      else onEvent({ event: 'write_failed', peer: record.peer.id, error: 'the device does not hold the key' });
      return isThere;
    } catch (error) {
      // What the device has now is not known: nothing is proven before the next write.
      record.wrote({ kind: 'random', before, after: clock.wall() });
      onEvent({ event: 'write_failed', peer: record.peer.id, error });
      return false;
    }
  }
}
