/**
 * Other pairs for the hub, of Rosenpass and of WireGuard, without a stream breaking (K8):
 *
 *     begin ──▶ announced ──every node takes it, or 24 h──▶ promoted ──all exchange with it, or 24 h──▶ done
 *               both answer; nodes dial the old             both answer; nodes dial the new            the old is deleted
 *
 * A node takes the next key only with a proof that its present exchange gave the hub (link-keys.ts): whoever has no more than
 * the API moves no pin. Each step is on disk before anybody is told of it, so a process that dies goes on where it was.
 * An interface has one private key, so WireGuard's is the new one from the promotion on; nodes wait for it beside the old,
 * and shake hands with it at once. Clients of other make cannot be told: while there are some, WireGuard's pair stays.
 */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { OwnPair, TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { HubRotationView, TunnelPeer } from '@labmesh/wire/tunnel';
import { dropRotation, readRotation, type RotationRecord, writeRotation } from './rotation-file.ts';

/** Audited; `old` and `new` are fingerprints. */
export type RotationTold = (what: 'key_announced' | 'key_promoted' | 'key_deleted', old: string, next: string) => void;

export type HubRotationParts = {
  keys: Pick<TunnelKeys, 'ownKey' | 'nextKey' | 'makeNext' | 'promoteNext'> &
    Pick<
      TunnelKeys,
      'wireguard' | 'nextWireguard' | 'makeNextWireguard' | 'promoteNextWireguard' | 'dropNextWireguard'
    >;
  /** Of rotation.json. */
  path: string;
  /** Names of nodes that have not taken this key, nor wait for this one of WireGuard. */
  nodesWithout: (sha256: string, wireguard: string | undefined) => Promise<string[]>;
  /** Whether there are clients of other make, which know no WireGuard key but the present. */
  hasForeigners: () => Promise<boolean>;
  tell: RotationTold;
  clock: Clock;
  log: Logger;
};

/** How long nodes accept both, and how long the old pair answers at most. */
const phaseMs = 86_400_000;
/** After this without an exchange a peer has no session any more that could break (Q4). */
const exchangeLifeS = 180;
const namesMax = 100;

const textOf = (pair: { publicKey: Uint8Array } | undefined) => pair && Buffer.from(pair.publicKey).toString('base64');
const timeText = (at: number) => new Date(at).toISOString();

export class HubRotation {
  readonly #parts: HubRotationParts;
  #record: RotationRecord | undefined;
  /** Own pair of each peer's last exchange, since the promotion or the start after it. */
  readonly #used = new Map<string, number>();
  /** Monotonic ms since when those are noted. */
  #notedSince: number;
  #waiting: readonly string[] = [];
  #hasForeigners = false;
  /** Public half of the key that the device has still, base64; undefined: it has the one in use. */
  #inDevice: string | undefined;

  /** Takes up what an earlier run has begun. */
  constructor(parts: HubRotationParts) {
    this.#parts = parts;
    this.#notedSince = parts.clock.now();
    const { keys, path, log } = parts;
    const record = readRotation(path);
    if (record === undefined) return;
    // It died between the note of the promotion and this.
    if (record.promotedAt !== null && this.#isNext(record.newWireguard)) keys.promoteNextWireguard();
    if (keys.nextKey?.fingerprint === record.newSha256) this.#record = record;
    // It died between the last two steps.
    else if (keys.ownKey.fingerprint === record.newSha256) dropRotation(path);
    else
      log.error('the hub’s next Rosenpass pair is not here any more; the one before stays', { lost: record.newSha256 });
  }

  get isUnderWay(): boolean {
    return this.#record !== undefined;
  }
  /** The pair that nodes are to exchange with. */
  get current(): OwnPair {
    const { keys } = this.#parts;
    return (this.#isPromoted && keys.nextKey) || keys.ownKey;
  }
  /** Of WireGuard, base64; `next` while it is announced, or the device has not taken it. */
  get wireguard(): { current: string; next?: string } {
    const current = textOf(this.#parts.keys.wireguard) ?? '';
    // Nobody is told, with our proof, to dial a key that nothing answers.
    if (this.#inDevice !== undefined) return { current: this.#inDevice, next: current };
    const next = this.#isPromoted ? undefined : this.#record?.newWireguard;
    return next !== undefined && this.#isNext(next) ? { current, next } : { current };
  }
  /** What the device has to be given; undefined: it has it. */
  get keyForDevice(): Uint8Array | undefined {
    return this.#inDevice !== undefined ? this.#parts.keys.wireguard.privateKey : undefined;
  }
  deviceHasKey(): void {
    this.#inDevice = undefined;
  }
  /** The pair that is announced. */
  get next(): OwnPair | undefined {
    return this.#record === undefined || this.#isPromoted ? undefined : this.#parts.keys.nextKey;
  }

  /** Both pairs, from the announcement until the old one is deleted. */
  get pairs(): { before: OwnPair; after: OwnPair } | undefined {
    const { ownKey: before, nextKey: after } = this.#parts.keys;
    return this.#record === undefined || after === undefined ? undefined : { before, after };
  }

  /** Makes and announces the next pair, unless that was done before; gives it. @throws what the file system says */
  async begin(): Promise<OwnPair> {
    const { keys, path, clock, tell } = this.#parts;
    const next = await keys.makeNext();
    if (this.#record !== undefined) return next;
    const [oldSha256, newSha256] = [keys.ownKey.fingerprint, next.fingerprint];
    const newWireguard = (await this.#parts.hasForeigners()) ? undefined : textOf(keys.makeNextWireguard());
    const wireguard = newWireguard === undefined ? {} : { newWireguard };
    const record = { oldSha256, newSha256, ...wireguard, announcedAt: clock.wall(), promotedAt: null };
    writeRotation(path, record);
    this.#record = record;
    this.#waiting = [];
    tell('key_announced', oldSha256, newSha256);
    return next;
  }

  /**
   * Nodes are told the next pairs as the present ones from now on; both of Rosenpass's answer, and of WireGuard's the one that
   * the device is given then (`keyForDevice`). @throws what the file system says
   */
  promote(): void {
    const { keys, path, clock, tell } = this.#parts;
    const record = this.#record;
    if (record === undefined || record.promotedAt !== null) return;
    const { newWireguard, ...rest } = record;
    const isSwitching = this.#isNext(newWireguard) && !this.#hasForeigners;
    const promoted = { ...rest, ...(isSwitching && { newWireguard }), promotedAt: clock.wall() };
    writeRotation(path, promoted);
    this.#record = promoted;
    if (isSwitching) {
      this.#inDevice = textOf(keys.wireguard);
      keys.promoteNextWireguard();
    } else keys.dropNextWireguard();
    this.#waiting = [];
    this.#used.clear();
    this.#notedSince = clock.now();
    tell('key_promoted', record.oldSha256, record.newSha256);
  }

  /** The old pair's files are gone after this, and the threads have zeroed it. Gives it; undefined before the promotion. */
  finish(): OwnPair | undefined {
    const { keys, path, tell } = this.#parts;
    const record = this.#record;
    if (record === undefined || !this.#isPromoted) return undefined;
    const old = keys.promoteNext();
    this.#record = undefined;
    this.#used.clear();
    dropRotation(path);
    tell('key_deleted', record.oldSha256, record.newSha256);
    return old;
  }

  /** A peer's exchange ended that was made with this own pair. */
  exchanged(peer: string, ownKey: number): void {
    if (this.#isPromoted) this.#used.set(peer, ownKey);
  }

  /** Whom the next phase waits for, looked up now. `peers`: as the tunnel has them. @throws what the store says */
  async lookWaiting(peers: readonly TunnelPeer[]): Promise<readonly string[]> {
    const { nodesWithout, hasForeigners } = this.#parts;
    const record = this.#record;
    if (record === undefined) return [];
    this.#hasForeigners = await hasForeigners();
    const next = this.#hasForeigners ? undefined : this.wireguard.next;
    this.#waiting = this.#isPromoted ? this.#onOldKey(peers) : await nodesWithout(record.newSha256, next);
    return this.#waiting;
  }

  /** Whether the next phase may begin, after `lookWaiting`. */
  get isDue(): boolean {
    const record = this.#record;
    if (record === undefined) return false;
    if (this.#parts.clock.wall() >= (record.promotedAt ?? record.announcedAt) + phaseMs) return true;
    if (this.#waiting.length > 0) return false;
    // Nobody may be here at the moment; the old pair goes with a proof of the new one, not before.
    return !this.#isPromoted || [...this.#used.values()].includes(this.current.index);
  }

  /** Undefined while nothing changes. */
  view(): HubRotationView | undefined {
    const record = this.#record;
    if (record === undefined) return undefined;
    const { oldSha256, newSha256, newWireguard, announcedAt, promotedAt } = record;
    return {
      phase: promotedAt === null ? 'announced' : 'promoted',
      oldSha256,
      newSha256,
      ...(newWireguard !== undefined && { newWireguardPublicKey: newWireguard }),
      announcedAt: timeText(announcedAt),
      promotedAt: promotedAt === null ? null : timeText(promotedAt),
      dueAt: timeText((promotedAt ?? announcedAt) + phaseMs),
      waiting: this.#waiting.slice(0, namesMax),
      waitingCount: this.#waiting.length,
    };
  }

  #isNext(wireguard: string | undefined): boolean {
    return wireguard !== undefined && textOf(this.#parts.keys.nextWireguard) === wireguard;
  }

  get #isPromoted(): boolean {
    return typeof this.#record?.promotedAt === 'number';
  }

  /** Peers that had an exchange lately and none with the new pair yet. */
  #onOldKey(peers: readonly TunnelPeer[]): string[] {
    const { index } = this.current;
    // A restart forgets who exchanged with what: each has had its turn after 180 s.
    const isYoung = this.#parts.clock.now() - this.#notedSince < exchangeLifeS * 1_000;
    const isOnOld = ({ id, rosenpassSha256, exchangeAgeS }: TunnelPeer) =>
      rosenpassSha256 !== null &&
      this.#used.get(id) !== index &&
      (isYoung || (exchangeAgeS !== null && exchangeAgeS < exchangeLifeS));
    return peers.filter(isOnOld).map(({ name }) => name);
  }
}
