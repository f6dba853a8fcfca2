/** The hub's public keys as answers of the Conplane bring them, and what is believed of the next one (tunnel K4, K8). */
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { dropPublicKey, keepPublicKey, readPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import type { NodeHeartbeatAnswer, NodeRegisterAnswer } from '@labmesh/wire/node';
import { fingerprintField, rosenpassPublicKeyBytes, wireguardKeyField } from '@labmesh/wire/tunnel';
import { PinMismatch } from './hub-of.ts';
import { type HubKeys, type HubState, type NodeState, writeNodeState } from './node-file.ts';
import { dropTrusted } from './trusted-key.ts';

/** Nodes accept both for as long (K8); a hub that announces on is asked again after half of it. */
const bothMs = 86_400_000;
/** The same question is not asked again before. */
const askAgainMs = 30_000;

type Answer = Pick<NodeRegisterAnswer, 'conplane'>;
/**
 * Whether the peer of the running tunnel has proven this, in an exchange that ended `since` then (monotonic ms). `current`,
 * `next`: fingerprints.
 */
export type IsProven = (keys: { current: string; next: string }, proof: string, since: number) => boolean;
/** The same of WireGuard keys, base64, by the hub that is known by that Rosenpass key. `next`: `none` without one. */
export type IsWireguardProven = (
  known: string,
  keys: { rosenpass: string; current: string; next: string },
  proof: string,
  since: number,
) => boolean;

const keyIn = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

function fingerprintIn(text: string | undefined): string | undefined {
  const whole = text === undefined || text.startsWith('sha256:') ? text : `sha256:${text}`;
  return fingerprintField.safeParse(whole).data;
}

/**
 * Fields of a registration: keys of the hub whose files are here need not be sent again. A next key that is past its time is
 * none that is known: a hub that is told of it has nothing to prove, and this node would take it no more. `now`: Unix ms.
 */
export function knownHubKeys(hub: HubState | undefined, keysDir: string, now: number) {
  const isHere = (sha256: string) => readPublicKey(keysDir, sha256) !== undefined;
  const own = hub?.rosenpassSha256 ?? undefined;
  const next = hub?.next !== undefined && now < hub.next.until ? hub.next.rosenpassSha256 : undefined;
  return {
    ...(own !== undefined && isHere(own) && { known_rosenpass_sha256: own }),
    ...(next !== undefined && isHere(next) && { known_next_rosenpass_sha256: next }),
  };
}

type ProvenWireguard = { current: string; next: string | undefined };

/**
 * WireGuard keys of the hub that its answer proves (K8); undefined: none. `known`: what it is pinned by. Keys that differ from
 * those want a proof by an exchange that ended `since` then, when those were learned: what the hub said before, recorded and
 * told once more, takes nothing back.
 */
export function provenWireguard(
  { conplane }: Answer,
  known: Pick<HubState, 'rosenpassSha256' | 'wireguardPublicKey' | 'next'> | undefined,
  isProven: IsWireguardProven,
  since: number,
): ProvenWireguard | undefined {
  const {
    wireguard_public_key: current = '',
    next_wireguard_public_key: next,
    wireguard_proof: proof,
  } = conplane ?? {};
  const rosenpass = fingerprintIn(conplane?.rosenpass_sha256);
  const by = known?.rosenpassSha256 ?? undefined;
  if (by === undefined || rosenpass === undefined || proof === undefined) return undefined;
  const isKnown = current === known?.wireguardPublicKey && next === known.next?.wireguardPublicKey;
  const claim = { rosenpass, current, next: next ?? 'none' };
  if (!isProven(by, claim, proof, isKnown ? -Infinity : since)) return undefined;
  return { current, next: wireguardKeyField.safeParse(next).data };
}

/**
 * The WireGuard key that the hub is to use with its next Rosenpass key. An answer that proves nothing of it leaves the one
 * that was proven: whoever can take a proof out of an answer must not make a node forget what it would need at the promotion.
 */
export function nextWireguard(
  was: HubState['next'],
  nextRosenpass: string,
  proven: ProvenWireguard | undefined,
): Pick<NonNullable<HubState['next']>, 'wireguardPublicKey'> {
  const key = proven === undefined && was?.rosenpassSha256 === nextRosenpass ? was.wireguardPublicKey : proven?.next;
  return key === undefined ? {} : { wireguardPublicKey: key };
}

/** Whether one holds other WireGuard keys of the hub than the other. */
export const hasOtherWireguard = (one: HubKeys | null | undefined, two: HubKeys | null | undefined): boolean =>
  one?.wireguardPublicKey !== two?.wireguardPublicKey ||
  one?.next?.wireguardPublicKey !== two?.next?.wireguardPublicKey;

/** Keeps the key of the hub. @throws PinMismatch when it is not the one that the answer itself names */
export function keepHubKey({ conplane }: Answer, hub: HubState, keysDir: string): void {
  const text = conplane?.rosenpass_public_key;
  if (text === undefined || text === '') return;
  const key = keyIn(text);
  if (hub.rosenpassSha256 === null || fingerprintOf(key) !== hub.rosenpassSha256) {
    throw new PinMismatch('the hub’s Rosenpass key has another fingerprint than the Conplane says');
  }
  keepPublicKey(keysDir, key);
}

/**
 * The hub's next key, kept, when an answer names one and the present hub has proven it; undefined otherwise: who has the
 * Conplane's API and no key of the hub can name one, and nothing follows. Another one than this node waits for wants a proof
 * by an exchange that ended `since` then, when that was learned. `now`: Unix ms.
 */
export function provenNext(
  { conplane }: Answer,
  hub: HubState,
  { isProven, keysDir, now, since }: { isProven: IsProven; keysDir: string; now: number; since: number },
): HubState['next'] {
  const { rosenpassSha256: current } = hub;
  const [next, proof] = [fingerprintIn(conplane?.next_rosenpass_sha256), conplane?.next_rosenpass_proof];
  if (current === null || next === undefined || next === current || proof === undefined) return undefined;
  const isKnown = next === hub.next?.rosenpassSha256;
  if (!isProven({ current, next }, proof, isKnown ? -Infinity : since)) return undefined;
  const text = conplane?.next_rosenpass_public_key ?? '';
  if (text === '' && readPublicKey(keysDir, next) === undefined) return undefined;
  if (text !== '') {
    const key = keyIn(text);
    if (fingerprintOf(key) !== next || key.length !== rosenpassPublicKeyBytes) return undefined;
    keepPublicKey(keysDir, key);
  }
  return { rosenpassSha256: next, until: now + bothMs };
}

/**
 * Forgets the key in whose place the hub has put another (K8): no word that the operator gave before lets it in again, one
 * that is given from now on does. Gives the state that is in node.json now. @throws what the file system says
 */
export function withoutRetired(
  state: NodeState,
  { stateDir, keysDir }: { stateDir: string; keysDir: string },
): NodeState {
  const { retired, ...settled } = state;
  if (retired === undefined) return state;
  dropTrusted(stateDir, retired);
  dropPublicKey(keysDir, retired);
  writeNodeState(stateDir, settled);
  return settled;
}

/** A hub may name another next key at each registration: each is half a megabyte, and only the last one is kept. */
export function dropFormerNext(was: HubState['next'], { rosenpassSha256, next }: HubState, keysDir: string): void {
  const kept = [rosenpassSha256, next?.rosenpassSha256];
  if (was !== undefined && !kept.includes(was.rosenpassSha256)) dropPublicKey(keysDir, was.rosenpassSha256);
}

/** What heartbeats tell of the hub's keys, and whether registering would settle something. */
export class HubKeyNews {
  #asked = '';
  #askedAt = -Infinity;

  /** `mono`, `wall`: ms. Another replica's hub, of which this node knows nothing, is no news. */
  isWorthAsking(
    said: NodeHeartbeatAnswer['conplane'],
    hub: HubState | null | undefined,
    now: { mono: number; wall: number },
  ): boolean {
    const { rosenpass_sha256: told, next_rosenpass_sha256: follows, previous_rosenpass_sha256: was } = said ?? {};
    const [current, next, previous] = [fingerprintIn(told), fingerprintIn(follows), fingerprintIn(was)];
    if (current === undefined || hub === undefined || hub === null || hub.rosenpassSha256 === null) return false;
    // Late for the announcement: what is the present key there is the next one here.
    const isLate = previous === hub.rosenpassSha256 && current !== hub.next?.rosenpassSha256;
    const { wireguard_public_key: wireguard, next_wireguard_public_key: nextWireguard } = said ?? {};
    const isOurs = [hub.rosenpassSha256, hub.next?.rosenpassSha256].includes(current);
    const isOther = isOurs && isWireguardNews(wireguard, nextWireguard, hub);
    if (!isLate && !isOther && !isNews(current, next, hub, now.wall)) return false;
    const question = `${current} ${next} ${isLate} ${wireguard} ${nextWireguard}`;
    if (question === this.#asked && now.mono - this.#askedAt < askAgainMs) return false;
    [this.#asked, this.#askedAt] = [question, now.mono];
    return true;
  }
}

function isNews(current: string, next: string | undefined, hub: HubState, wall: number): boolean {
  const { next: known } = hub;
  if (current === known?.rosenpassSha256) return true;
  if (current !== hub.rosenpassSha256 || next === undefined) return false;
  return known?.rosenpassSha256 !== next || known.until - wall < bothMs / 2;
}

/** The hub is known by another WireGuard key, or announces one that this node does not wait for. */
function isWireguardNews(current: string | undefined, next: string | undefined, hub: HubState): boolean {
  if (current !== undefined && current !== hub.wireguardPublicKey) return true;
  return next !== undefined && hub.next !== undefined && next !== hub.next.wireguardPublicKey;
}
