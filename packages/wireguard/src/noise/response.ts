/** The second message: from the responder, 92 bytes (spec tunnel.md 5.7). After it both sides have keys. */
import type { HandshakeState, Identity, TransportKeys } from './handshake-state.ts';
import type { OpenedInitiation, PendingInitiation } from './initiation.ts';
import { messageType, responseBytes, writeIndex } from './message-layout.ts';
import { publicKeyOf, sharedSecret } from './x25519.ts';

export type ResponseInput = {
  initiation: OpenedInitiation;
  presharedKey: Uint8Array;
  /** 32 fresh random bytes; zeroed here. */
  ephemeralPrivate: Uint8Array;
  senderIndex: number;
};

function mixShared(state: HandshakeState, privateKey: Uint8Array, publicKey: Uint8Array): boolean {
  const shared = sharedSecret(privateKey, publicKey);
  if (shared === undefined) return false;
  state.mixKey(shared);
  shared.fill(0);
  return true;
}

/** Answers an initiation and uses it up. Undefined: the initiator's keys are of low order. */
export function createResponse(input: ResponseInput): { message: Uint8Array; keys: TransportKeys } | undefined {
  const { initiation, ephemeralPrivate } = input;
  const { state } = initiation;
  const message = new Uint8Array(responseBytes);
  message[0] = messageType.response;
  writeIndex(message, 4, input.senderIndex);
  writeIndex(message, 8, initiation.senderIndex);

  const ephemeral = publicKeyOf(ephemeralPrivate);
  message.set(ephemeral, 12);
  state.mixKey(ephemeral);
  state.mixHash(ephemeral);
  const mixed =
    mixShared(state, ephemeralPrivate, initiation.peerEphemeral) &&
    mixShared(state, ephemeralPrivate, initiation.peerPublicKey);
  ephemeralPrivate.fill(0);
  if (!mixed) {
    state.wipe();
    return undefined;
  }
  message.set(state.sealField(state.mixPresharedKey(input.presharedKey), new Uint8Array(0)), 44);
  const [fromInitiator, fromResponder] = state.split();
  return { message, keys: { send: fromResponder, receive: fromInitiator } };
}

/**
 * Opens a response of 92 bytes to our pending initiation, which stays as it is when this gives undefined: a forgery or
 * another pre-shared key must not end the handshake.
 */
export function openResponse(
  own: Identity,
  pending: PendingInitiation,
  presharedKey: Uint8Array,
  message: Uint8Array,
): TransportKeys | undefined {
  const state = pending.state.clone();
  const ephemeral = message.slice(12, 44);
  state.mixKey(ephemeral);
  state.mixHash(ephemeral);
  const mixed = mixShared(state, pending.ephemeralPrivate, ephemeral) && mixShared(state, own.privateKey, ephemeral);
  if (!mixed || state.openField(state.mixPresharedKey(presharedKey), message.subarray(44, 60)) === undefined) {
    state.wipe();
    return undefined;
  }
  const [fromInitiator, fromResponder] = state.split();
  return { send: fromInitiator, receive: fromResponder };
}
