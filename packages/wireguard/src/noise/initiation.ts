/** The first message: from the initiator, 148 bytes (spec tunnel.md 5.7). mac1 and mac2 are written by `message-macs`. */
import type { AeadProvider } from '../aead/aead-provider.ts';
import { HandshakeState, type Identity } from './handshake-state.ts';
import { initiationBytes, messageType, readIndex, writeIndex } from './message-layout.ts';
import { publicKeyOf, sharedSecret } from './x25519.ts';

/** What the initiator keeps until the response comes. */
export type PendingInitiation = { state: HandshakeState; ephemeralPrivate: Uint8Array; senderIndex: number };

export type InitiationInput = {
  own: Identity;
  peerPublicKey: Uint8Array;
  /** DH of both static keys, computed once per peer. */
  staticShared: Uint8Array;
  /** 32 fresh random bytes; zeroed with the pending state. */
  ephemeralPrivate: Uint8Array;
  senderIndex: number;
  /** TAI64N, 12 bytes, above every one sent before. */
  timestamp: Uint8Array;
};

/** @throws Error when the peer's key is of low order. */
export function createInitiation(
  input: InitiationInput,
  aead: AeadProvider,
): { message: Uint8Array; pending: PendingInitiation } {
  const { own, peerPublicKey, ephemeralPrivate, senderIndex } = input;
  const message = new Uint8Array(initiationBytes);
  message[0] = messageType.initiation;
  writeIndex(message, 4, senderIndex);

  const state = new HandshakeState(peerPublicKey, aead);
  const ephemeral = publicKeyOf(ephemeralPrivate);
  message.set(ephemeral, 8);
  state.mixKey(ephemeral);
  state.mixHash(ephemeral);

  const shared = sharedSecret(ephemeralPrivate, peerPublicKey);
  if (shared === undefined) throw new Error('the public key of the peer is of low order');
  message.set(state.sealField(state.mixKeyAndDerive(shared), own.publicKey), 40);
  shared.fill(0);
  message.set(state.sealField(state.mixKeyAndDerive(input.staticShared), input.timestamp), 88);
  return { message, pending: { state, ephemeralPrivate, senderIndex } };
}

/** What the responder knows once an initiation proved genuine. */
export type OpenedInitiation = {
  state: HandshakeState;
  peerPublicKey: Uint8Array;
  peerEphemeral: Uint8Array;
  senderIndex: number;
  /** TAI64N, 12 bytes. */
  timestamp: Uint8Array;
};

/**
 * Opens an initiation of 148 bytes whose mac1 was checked. `staticSharedOf` gives the DH of both static keys for a
 * known peer. Undefined: forged, or from nobody we know.
 */
export function openInitiation(
  own: Identity,
  message: Uint8Array,
  staticSharedOf: (peerPublicKey: Uint8Array) => Uint8Array | undefined,
  aead: AeadProvider,
): OpenedInitiation | undefined {
  const state = new HandshakeState(own.publicKey, aead);
  const opened = readFields(state, own, message, staticSharedOf);
  if (opened === undefined) state.wipe();
  return opened;
}

function readFields(
  state: HandshakeState,
  own: Identity,
  message: Uint8Array,
  staticSharedOf: (peerPublicKey: Uint8Array) => Uint8Array | undefined,
): OpenedInitiation | undefined {
  const peerEphemeral = message.slice(8, 40);
  state.mixKey(peerEphemeral);
  state.mixHash(peerEphemeral);
  const shared = sharedSecret(own.privateKey, peerEphemeral);
  if (shared === undefined) return undefined;
  const peerPublicKey = state.openField(state.mixKeyAndDerive(shared), message.subarray(40, 88));
  shared.fill(0);
  if (peerPublicKey === undefined) return undefined;
  const staticShared = staticSharedOf(peerPublicKey);
  if (staticShared === undefined) return undefined;
  const timestamp = state.openField(state.mixKeyAndDerive(staticShared), message.subarray(88, 116));
  if (timestamp === undefined) return undefined;
  return { state, peerPublicKey, peerEphemeral, senderIndex: readIndex(message, 4), timestamp };
}

export function wipePending(pending: PendingInitiation): void {
  pending.state.wipe();
  pending.ephemeralPrivate.fill(0);
}
