/**
 * The heavy steps of a handshake as plain, transferable values, so that a worker can run them (spec tunnel.md R5). A
 * worker holds own secret keys and a source of public keys (`StepContext`, run-step.ts) and nothing of peers or
 * sessions: own keys go by index, public keys of peers by fingerprint. Whatever a job or a result holds as Uint8Array
 * is a buffer of its own; the side that receives it zeroes what is secret.
 */
import type { ProtocolVersion } from '../hash/suite.ts';
import type { KeyPrefixes } from '../key-prefixes.ts';
import type { CiphertextEncoding } from '../mceliece/parameters.ts';

type Handshake = {
  version: ProtocolVersion;
  ciphertext: CiphertextEncoding;
  /** Index of the own key pair. */
  ownKey: number;
};

/** Who the other side is: fingerprint of its public key, and the pre-shared key of 32 bytes (secret). */
type KnownPeer = { peerKey: string; presharedKey: Uint8Array };

export type StepJob =
  /** S1. `ckInit` = H(ckinit, spkr), 32 bytes; `sidi` 4 bytes. */
  | ({ step: 'initiate'; ckInit: Uint8Array; sidi: Uint8Array } & Handshake & KnownPeer)
  /** First half of S2: who sent this InitHello? */
  | ({ step: 'open'; initHello: Uint8Array } & Handshake)
  /**
   * Second half of S2: is it that peer, and the answer. `ck` is what `open` gave (secret); `sidr` 4 bytes. With `answer`
   * false it ends once the peer is authenticated.
   */
  | ({ step: 'answer'; initHello: Uint8Array; ck: Uint8Array; sidr: Uint8Array; answer: boolean } & Handshake &
      KnownPeer)
  /** S3. `ck` and `kyberSecret` (1,632 bytes) are what `initiate` gave (secret); `epki` is the ephemeral key (800). */
  | ({ step: 'complete'; respHello: Uint8Array; ck: Uint8Array; kyberSecret: Uint8Array; epki: Uint8Array } & Omit<
      Handshake & KnownPeer,
      'presharedKey' | 'peerKey'
    >)
  /** The prefixes of a public key, 14 ms; asked by the owner of the peers, never by the state machine. */
  | { step: 'describe'; peerKey: string };

export type StepResult =
  /** `initHello`: the whole message, its mac and cookie still zero. */
  | { step: 'initiate'; initHello: Uint8Array; ck: Uint8Array; kyberSecret: Uint8Array }
  /** `peerId` 32 bytes. */
  | { step: 'open'; peerId: Uint8Array; ck: Uint8Array }
  /** `respHello`: the whole message, biscuit, auth, mac and cookie still zero; `ck` is what the biscuit holds. */
  | { step: 'answer'; respHello: Uint8Array; ck: Uint8Array }
  | { step: 'authenticated' }
  | { step: 'complete'; ck: Uint8Array }
  | { step: 'describe'; prefixes: KeyPrefixes }
  | { step: 'failed'; reason: StepFailure };

/**
 * `decaps_auth`: the message does not prove what it must · `key_missing`: no such own key or public key ·
 * `worker_lost`: the worker died or the step threw; what the worker's host answers for its open jobs.
 */
export type StepFailure = 'decaps_auth' | 'key_missing' | 'worker_lost';
