/** What a register answer says of the hub, held against what is pinned (tunnel K5, I10). Nothing of it is believed before. */
import { readFileSync } from 'node:fs';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import type { NodeRegisterAnswer } from '@labmesh/wire/node';
import { fingerprintField, rosenpassCiphertexts, rosenpassVersions, wireguardKeyField } from '@labmesh/wire/tunnel';
import type { TunnelConfig } from '../config/read-tunnel.ts';
import type { HubKeys, HubState } from './node-file.ts';
import { isTrusted } from './trusted-key.ts';

/** The hub's key is another one than the pinned. The way out is the operator's. */
export class PinMismatch extends Error {
  override readonly name = 'PinMismatch';
}

type Said = NonNullable<NodeRegisterAnswer['conplane']>;
type ShownKeys = Pick<HubKeys, 'rosenpassSha256' | 'wireguardPublicKey'>;
/** `known`: what an earlier run settled. `trusted`: what the operator let in at this machine, as `readTrusted` gives it. */
type Pins = {
  config: Pick<TunnelConfig, 'peer' | 'rosenpass'>;
  known: HubKeys | undefined;
  trusted: string | undefined;
  /** The WireGuard key that the hub of the running tunnel has proven to be its present one (K8). */
  provenWireguard?: string | undefined;
  /** Unix ms. */
  now: number;
};

const choiceOf = <T extends string>(choices: readonly T[], text: string | undefined): T | null =>
  choices.find((one) => one === text) ?? null;

function fingerprintIn(said: Said): string | null {
  const text = said.rosenpass_sha256;
  if (text === undefined || text === '') return null;
  const parsed = fingerprintField.safeParse(text.startsWith('sha256:') ? text : `sha256:${text}`);
  if (!parsed.success) throw new PinMismatch('the Conplane names a Rosenpass key by something that is no fingerprint');
  return parsed.data;
}

/** What the settings pin, if anything. @throws what the file system says of `peer_public_key_path` */
export function pinnedSha256({ rosenpass }: Pins['config']): string | undefined {
  const { peerSha256, peerPublicKeyPath: path } = rosenpass;
  return peerSha256 ?? (path === undefined ? undefined : fingerprintOf(new Uint8Array(readFileSync(path))));
}

/** The key that is pinned; undefined: none, at first use. */
function pinnedKey({ config, known }: Pins): string | undefined {
  const settings = pinnedSha256(config);
  // The pinned hub itself has proven what it has now (K8).
  if (settings !== undefined && settings !== known?.rotatedFrom) return settings;
  return known?.rosenpassSha256 ?? settings;
}

/** Whether this is the next key that the pinned hub has proven, within its time (K8). */
function isNext(found: string | null, pins: Pins): boolean {
  const { known, trusted, now } = pins;
  if (known?.next === undefined || known.rosenpassSha256 === null) return false;
  if (pinnedKey(pins) !== known.rosenpassSha256 && !isTrusted(trusted, known.rosenpassSha256)) return false;
  return found === known.next.rosenpassSha256 && now < known.next.until;
}

/** The WireGuard key that is pinned; undefined: none, at first use. */
function pinnedWireguard({ config, known }: Pins): string | undefined {
  const settings = config.peer.publicKey;
  if (settings !== undefined && settings !== known?.wireguardRotatedFrom) return settings;
  return known?.wireguardPublicKey ?? settings;
}

/** Whether the settings leave the hub that is known to change its WireGuard key; another key there is a word for another hub. */
const mayChange = (pins: Pins) => pins.known !== undefined && pinnedWireguard(pins) === pins.known.wireguardPublicKey;

/** Whether the pinned hub itself has proven just now that this key is its present one (K8). */
function isShownWireguard(found: string, pins: Pins): boolean {
  return mayChange(pins) && found === pins.provenWireguard && found !== pins.known?.formerWireguard;
}

/**
 * Whether the hub has proven this key to be its next, and nothing but the answer says that it is the present one by now: the
 * API alone moves no pin. Both answer here until the first handshake by that key, or the hub's proof, shows it.
 */
function isAwaitedWireguard(found: string, pins: Pins): boolean {
  const { known, now } = pins;
  if (known === undefined || !mayChange(pins) || isShownWireguard(found, pins)) return false;
  if (found === known.wireguardPublicKey) return false;
  return found === known.awaitedWireguard || (found === known.next?.wireguardPublicKey && now < known.next.until);
}

/** What an answer that passed the pins leaves of the hub's change of its WireGuard key. `found`: as it is taken. */
function wireguardRotationOf(
  found: string,
  said: { rosenpass: string | null; wireguard: string },
  pins: Pins,
): Pick<HubKeys, 'wireguardRotatedFrom' | 'formerWireguard' | 'awaitedWireguard'> {
  const { config, known } = pins;
  if (known !== undefined && found === known.wireguardPublicKey) {
    const { wireguardRotatedFrom: from, formerWireguard: former } = known;
    // With the Rosenpass key that takes its place `next` ends, and the hub's device may not have WireGuard's yet.
    const left = isNext(said.rosenpass, pins) ? known.next?.wireguardPublicKey : undefined;
    const awaited = isAwaitedWireguard(said.wireguard, pins) ? said.wireguard : (left ?? known.awaitedWireguard);
    return {
      ...(from !== undefined && { wireguardRotatedFrom: from }),
      ...(former !== undefined && { formerWireguard: former }),
      ...(awaited !== undefined && { awaitedWireguard: awaited }),
    };
  }
  return known !== undefined && isShownWireguard(found, pins) ? movedFrom(known.wireguardPublicKey, config) : {};
}

/** What is kept of the WireGuard key that was pinned when the hub has put another in its place (K8). */
export function movedFrom(
  former: string,
  { peer }: Pick<TunnelConfig, 'peer'>,
): Pick<HubKeys, 'wireguardRotatedFrom' | 'formerWireguard'> {
  return { formerWireguard: former, ...(peer.publicKey !== undefined && { wireguardRotatedFrom: peer.publicKey }) };
}

/** What an answer that passed the pins leaves of the hub's change of keys. */
function rotationOf(found: string | null, pins: Pins): Pick<HubKeys, 'rotatedFrom' | 'next'> {
  const { config, known, now } = pins;
  if (isNext(found, pins)) {
    const rotatedFrom = pinnedSha256(config);
    return rotatedFrom === undefined ? {} : { rotatedFrom };
  }
  // Another hub that was let in by hand has nothing of the last one.
  if (known === undefined || found !== known.rosenpassSha256) return {};
  const { rotatedFrom, next } = known;
  return { ...(rotatedFrom !== undefined && { rotatedFrom }), ...(next !== undefined && now < next.until && { next }) };
}

function checkRosenpassPin(found: string | null, pins: Pins): void {
  const pinned = pinnedKey(pins);
  if (pinned === undefined || found === pinned || isNext(found, pins)) return;
  const { trusted } = pins;
  // Leaving the key out would make a pinned hub a classical one.
  if (found !== null && isTrusted(trusted, found)) return;
  const way = found === null ? 'ask who runs it' : `compare, then run: labman tunnel trust ${found}`;
  throw new PinMismatch(`the hub shows Rosenpass key ${found ?? 'none'}, pinned is ${pinned}; ${way}`);
}

/**
 * The hub's next key that nothing has proven in use; or the operator let another Rosenpass key in, and WireGuard's is another
 * as well (K8): a site that was away while both changed. The one that is pinned stays until an exchange has proven the other.
 */
function isUnproven(rosenpass: string | null, found: string, pins: Pins): boolean {
  const { known, trusted } = pins;
  if (isAwaitedWireguard(found, pins) && !isTrusted(trusted, found)) return true;
  if (known === undefined || rosenpass === null || !isTrusted(trusted, rosenpass)) return false;
  const isPinned = found === pinnedWireguard(pins) || isTrusted(trusted, found) || isShownWireguard(found, pins);
  return !isPinned && pinnedWireguard(pins) === known.wireguardPublicKey;
}

function checkWireguardPin(found: string, pins: Pins): void {
  const pinned = pinnedWireguard(pins);
  if (pinned === undefined || found === pinned || isTrusted(pins.trusted, found) || isShownWireguard(found, pins))
    return;
  throw new PinMismatch(`the hub shows WireGuard key ${found}, pinned is ${pinned}; labman tunnel trust ${found}`);
}

/** @throws PinMismatch */
export function checkPins({ rosenpassSha256, wireguardPublicKey }: ShownKeys, pins: Pins): void {
  checkRosenpassPin(rosenpassSha256, pins);
  if (!isUnproven(rosenpassSha256, wireguardPublicKey, pins)) checkWireguardPin(wireguardPublicKey, pins);
}

/**
 * The hub as this node takes it; undefined when the Conplane has no tunnel.
 * @throws PinMismatch
 */
export function hubOf(answer: NodeRegisterAnswer, pins: Pins): HubState | undefined {
  const { config } = pins;
  const said = answer.conplane;
  if (said === undefined) return undefined;
  const key = wireguardKeyField.safeParse(said.wireguard_public_key);
  if (!key.success) throw new PinMismatch('the Conplane names no WireGuard key');
  const rosenpassSha256 = fingerprintIn(said);
  checkPins({ rosenpassSha256, wireguardPublicKey: key.data }, pins);
  const isKept = isUnproven(rosenpassSha256, key.data, pins);
  const wireguardPublicKey = isKept ? (pinnedWireguard(pins) ?? key.data) : key.data;
  return {
    address: config.peer.address ?? said.tunnel_address,
    wireguardPublicKey,
    wireguardEndpoint: config.peer.endpoint ?? said.wireguard_endpoint,
    rosenpassSha256,
    rosenpassEndpoint: config.rosenpass.endpoint ?? said.rosenpass_endpoint ?? null,
    rosenpassVersion: choiceOf(rosenpassVersions, said.rosenpass_version),
    rosenpassCiphertext: choiceOf(rosenpassCiphertexts, said.rosenpass_ciphertext),
    ...rotationOf(rosenpassSha256, pins),
    ...wireguardRotationOf(wireguardPublicKey, { rosenpass: rosenpassSha256, wireguard: key.data }, pins),
  };
}
