/**
 * The hash of one protocol version, its labels, and the ciphers (spec tunnel.md 5.1). Hashes, keys and labels have 32
 * bytes. H(k, d) is not HMAC, and V02 is BLAKE2b although its protocol name says BLAKE2s.
 */
import { createHash } from 'node:crypto';
import { openPrimitives, type Primitives } from './primitives.ts';

/** The hash of the handshake: keyed BLAKE2b (V02) or SHAKE256 (V03). */
export type ProtocolVersion = 'V02' | 'V03';

export const hashBytes = 32;

/** The path of each label below the name of the protocol. */
const labelPaths = {
  mac: ['mac'],
  peerId: ['peer id'],
  biscuitAd: ['biscuit additional data'],
  ckInit: ['chaining key init'],
  cookie: ['cookie'],
  cookieValue: ['cookie-value'],
  cookieKey: ['cookie-key'],
  mix: ['chaining key extract', 'mix'],
  handshakeKey: ['chaining key extract', 'handshake encryption'],
  initiatorKey: ['chaining key extract', 'initiator handshake encryption'],
  responderKey: ['chaining key extract', 'responder handshake encryption'],
  osk: ['chaining key extract', 'user', 'rosenpass.eu', 'wireguard psk'],
  /** Q10: another use of an exchange than its key, so another label of our own. */
  linkKey: ['chaining key extract', 'user', 'labmesh', 'link key'],
} as const;

export type LabelName = keyof typeof labelPaths;
export type Labels = Readonly<Record<LabelName, Uint8Array>>;

export type Suite = {
  readonly version: ProtocolVersion;
  /** H(key, data); the key has 32 bytes. */
  readonly hash: (key: Uint8Array, data: Uint8Array) => Uint8Array;
  readonly labels: Labels;
  readonly ciphers: Primitives;
};

/** Cookies are hashed with V03 whatever the handshake uses. */
export type Suites = Readonly<Record<ProtocolVersion, Suite>>;

const text = new TextEncoder();

function xored(key: Uint8Array, pad: number): Uint8Array {
  const out = new Uint8Array(hashBytes);
  for (let i = 0; i < hashBytes; i++) out[i] = (key[i] as number) ^ pad;
  return out;
}

/** B(k ⊕ 5c…, B(k ⊕ 36…, d)). */
function blakeHash(primitives: Primitives): Suite['hash'] {
  return (key, data) => {
    const [outer, inner] = [xored(key, 0x5c), xored(key, 0x36)];
    const digest = primitives.blake2b(outer, primitives.blake2b(inner, data));
    outer.fill(0);
    inner.fill(0);
    return digest;
  };
}

/** SHAKE256(k ‖ d). */
const shakeHash: Suite['hash'] = (key, data) =>
  new Uint8Array(createHash('shake256', { outputLength: hashBytes }).update(key).update(data).digest());

function labelsOf(hash: Suite['hash'], hashName: string): Labels {
  const under = (parent: Uint8Array, name: string) => hash(parent, text.encode(name));
  const protocol = under(new Uint8Array(hashBytes), `Rosenpass v1 mceliece460896 Kyber512 ChaChaPoly1305 ${hashName}`);
  const entries = Object.entries(labelPaths).map(([name, path]) => [name, path.reduce<Uint8Array>(under, protocol)]);
  return Object.fromEntries(entries) as Labels;
}

function suite(version: ProtocolVersion, hash: Suite['hash'], hashName: string, ciphers: Primitives): Suite {
  return { version, hash, labels: labelsOf(hash, hashName), ciphers };
}

/** Both versions. @throws Error when the WebAssembly part cannot run here. */
export async function openSuites(): Promise<Suites> {
  const primitives = await openPrimitives();
  return {
    V02: suite('V02', blakeHash(primitives), 'BLAKE2s', primitives),
    V03: suite('V03', shakeHash, 'SHAKE256', primitives),
  };
}
