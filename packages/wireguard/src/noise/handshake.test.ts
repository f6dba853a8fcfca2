import { describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import sodium from 'libsodium-wrappers';
import type { AeadProvider } from '../aead/aead-provider.ts';
import { chooseAead } from '../aead/choose-aead.ts';
import type { Identity } from './handshake-state.ts';
import { createInitiation, openInitiation } from './initiation.ts';
import { cookieKey, initialChainingKey, initialHash, mac1Key } from './key-derivation.ts';
import { createCookieReply, openCookieReply } from './cookie-reply.ts';
import { hasMac1, hasMac2, mac1Of, writeMac1, writeMac2 } from './message-macs.ts';
import { createResponse, openResponse } from './response.ts';
import { Session } from './session.ts';
import { publicKeyOf, sharedSecret } from './x25519.ts';

const { aead } = await chooseAead();
await sodium.ready;
const filled = (byte: number) => new Uint8Array(32).fill(byte);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const counted = (length: number) => Uint8Array.from({ length }, (_, index) => index);

function identity(byte: number): Identity {
  return { privateKey: filled(byte), publicKey: publicKeyOf(filled(byte)) };
}

const initiator = identity(0x11);
const responder = identity(0x22);
const staticShared = sharedSecret(initiator.privateKey, responder.publicKey)!;
const psk = filled(0x55);
const timestamp = Uint8Array.from(Buffer.from('400000000000000a00000000', 'hex'));

function initiation(cipher: AeadProvider = aead) {
  const input = { own: initiator, peerPublicKey: responder.publicKey, staticShared, timestamp };
  const made = createInitiation({ ...input, ephemeralPrivate: filled(0x33), senderIndex: 0x04030201 }, cipher);
  writeMac1(made.message, mac1Key(responder.publicKey));
  return made;
}

const known = (publicKey: Uint8Array) =>
  Buffer.from(publicKey).equals(initiator.publicKey) ? staticShared.slice() : undefined;

function respond(message: Uint8Array, presharedKey = psk) {
  const opened = openInitiation(responder, message, known, aead);
  if (opened === undefined) return undefined;
  const input = { initiation: opened, presharedKey, ephemeralPrivate: filled(0x44), senderIndex: 0x08070605 };
  const made = createResponse(input)!;
  writeMac1(made.message, mac1Key(initiator.publicKey));
  return made;
}

describe('known answers (spec tunnel.md 5.13)', () => {
  test('initial chaining key and hash', () => {
    expect(hex(initialChainingKey)).toStartWith('60e26dae');
    expect(hex(initialHash)).toStartWith('2211b361');
  });

  test('initiation, response, keys, first keepalive', () => {
    const { message, pending } = initiation();
    expect(sha256(message)).toBe('d4fae17a9c912027b44cffe8d0e20c1127be1c9c093b8b6c20cab283a0da35a9');
    const response = respond(message)!;
    expect(sha256(response.message)).toBe('e5f288bd0bd32bab24a67e66f9da3468d6dd3ea0a9dd75d8b4e07afe77efbdf2');
    const keys = openResponse(initiator, pending, psk, response.message)!;
    expect(hex(keys.send)).toBe('a007faf842d83f5bd3be20a14e0ffcec34c84867b78b051980602713205922de');
    expect(hex(keys.receive)).toBe('d982d5cd10d34a7802b6c19fa441cd9164d70e4f4d62007ab416879ee8bd1b99');
    expect(response.keys).toEqual({ send: keys.receive, receive: keys.send });
    const session = new Session({
      keys,
      initiator: true,
      localIndex: 1,
      remoteIndex: 0x08070605,
      bornMs: 0,
      bornWallMs: 0,
    });
    const keepalive = new Uint8Array(32);
    expect(session.seal(aead, keepalive, 16, 0, 1420)).toBe(32);
    expect(hex(keepalive)).toBe('04000000050607080000000000000000f1bce9fd9651b3f6b50c00179cbd1e01');
  });

  test('mac2 under a cookie, and the reply that carries a cookie', () => {
    const { message } = initiation();
    writeMac2(message, counted(16));
    expect(hex(message.subarray(-16))).toBe('a81e6e4d91eb0db4e6908d6c24bc27a1');
    expect(hasMac2(message, counted(16))).toBe(true);
    expect(hasMac2(message, filled(0).subarray(16))).toBe(false);
    const key = cookieKey(responder.publicKey);
    const mac1 = mac1Of(message);
    const input = { key, mac1, cookie: counted(16), nonce: counted(24), receiverIndex: 0x04030201 };
    const reply = createCookieReply(input);
    expect(hex(reply.subarray(0, 8))).toBe('0300000001020304');
    expect(hex(reply.subarray(32))).toBe('1a30e17e8fce6fdcd48662ab32b91b24b042335f4baf2b267862f482dce017d8');
    expect(openCookieReply(key, mac1, reply)).toEqual(counted(16));
    expect(openCookieReply(key, filled(1).subarray(16), reply)).toBeUndefined();
    expect(openCookieReply(cookieKey(initiator.publicKey), mac1, reply)).toBeUndefined();
  });

  test('every cipher provider gives the same handshake', async () => {
    const { aead: other } = await chooseAead('wasm');
    expect(initiation(other).message).toEqual(initiation().message);
  });
});

describe('what is not genuine', () => {
  test('any changed byte of an initiation is refused, by mac1 or by what is sealed', () => {
    const { message } = initiation();
    for (let at = 8; at < 132; at += 1) {
      const forged = message.slice();
      forged[at]! ^= 0x40;
      expect(hasMac1(forged, mac1Key(responder.publicKey)), `byte ${at}`).toBe(false);
      // With a fresh mac1, which everyone who knows the public key can write, the sealed fields refuse it.
      if (at >= 116) continue;
      expect(openInitiation(responder, forged, known, aead), `byte ${at}`).toBeUndefined();
    }
  });

  test('any changed byte of a response is refused, and the true one is still taken after it', () => {
    const { message, pending } = initiation();
    const response = respond(message)!.message;
    for (let at = 12; at < 60; at += 1) {
      const forged = response.slice();
      forged[at]! ^= 0x01;
      expect(openResponse(initiator, pending, psk, forged), `byte ${at}`).toBeUndefined();
    }
    expect(openResponse(initiator, pending, filled(0x56), response)).toBeUndefined();
    expect(openResponse(initiator, pending, psk, response)).toBeDefined();
  });

  test('an unknown initiator and another responder', () => {
    const { message } = initiation();
    expect(openInitiation(responder, message, () => undefined, aead)).toBeUndefined();
    expect(openInitiation(identity(0x23), message, known, aead)).toBeUndefined();
  });

  test('a public key of low order gives no secret', () => {
    const one = new Uint8Array(32);
    one[0] = 1;
    for (const low of [new Uint8Array(32), one]) {
      expect(sharedSecret(initiator.privateKey, low)).toBeUndefined();
      const input = { own: initiator, peerPublicKey: low, staticShared, timestamp };
      expect(() => createInitiation({ ...input, ephemeralPrivate: filled(1), senderIndex: 1 }, aead)).toThrow(
        'low order',
      );
      const forged = initiation().message;
      forged.set(low, 8);
      expect(openInitiation(responder, forged, known, aead)).toBeUndefined();
    }
    expect(() => sharedSecret(filled(1).subarray(1), filled(2))).toThrow(RangeError);
    expect(() => sharedSecret(filled(1), filled(2).subarray(1))).toThrow(RangeError);
  });

  test('random bytes of the right size never throw', () => {
    const { pending } = initiation();
    const random = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
    const property = fc.property(random(148), random(92), random(64), (first, second, third) => {
      expect(openInitiation(responder, first, known, aead)).toBeUndefined();
      expect(openResponse(initiator, pending, psk, second)).toBeUndefined();
      expect(openCookieReply(filled(1), second.subarray(0, 16), third)).toBeUndefined();
    });
    fc.assert(property, { numRuns: 100 });
  });
});

test('secrets of the handshake are zeroed once used', () => {
  const ephemeralPrivate = filled(0x44);
  const opened = openInitiation(responder, initiation().message, known, aead)!;
  createResponse({ initiation: opened, presharedKey: psk, ephemeralPrivate, senderIndex: 1 });
  expect(ephemeralPrivate).toEqual(new Uint8Array(32));
  expect(psk).toEqual(filled(0x55));
});
