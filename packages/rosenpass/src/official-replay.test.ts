import { createHash } from 'node:crypto';
import { describe, expect, test } from 'bun:test';
import type { ProtocolVersion } from './effects.ts';
import { openSuites } from './hash/suite.ts';
import { encapsulateError } from './mceliece/encapsulate.ts';
import type { CiphertextEncoding } from './mceliece/parameters.ts';
import { sealCookieReply } from './message/cookie-reply.ts';
import { effectsOf, Party, sent } from './testing/party.ts';
import { scriptedRandom } from './testing/scripted-random.ts';
import {
  type Drawn,
  drawnInVector,
  publicA,
  publicB,
  recordingSuites,
  vectorContext,
  vectorValue,
} from './testing/vector-party.ts';

const suites = await openSuites();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const [atA, atB] = [
  { address: '192.0.2.1', port: 9999 },
  { address: '192.0.2.2', port: 9999 },
];

/** Both parties of the vector, their machines drawing what the vector drew; a has not begun. */
function parties(version: ProtocolVersion, ciphertext: CiphertextEncoding, drawn: Drawn) {
  const noted: string[] = [];
  const recording = recordingSuites(suites, noted);
  const a = new Party(vectorContext(recording, 'a', drawn), { random: scriptedRandom([vectorValue(14)]) });
  const randomB = scriptedRandom([11, 41, 32, 42].map(vectorValue));
  const b = new Party(vectorContext(recording, 'b', drawn), { random: randomB });
  const options = { version, ciphertext, presharedKey: vectorValue(4) };
  b.addPeer('a', a, options);
  const begun = a.addPeer('b', b, { ...options, endpoint: atB });
  return { a, b, initHello: sent(begun), noted };
}

const oskOf = (effects: Parameters<typeof effectsOf>[0]) => effectsOf(effects, 'exchanged')[0];

describe('the official vector through the state machine', () => {
  const { a, b, initHello, noted } = parties('V03', 'r4-156', drawnInVector);

  test('four messages and one key, byte for byte', () => {
    expect(hex(initHello.subarray(0, -16))).toBe(hex(vectorValue(26).subarray(0, -16)));
    const fill = (bytes: number) => new Uint8Array(bytes).fill(7);
    const cookie = sealCookieReply(suites, b.key.prefixes, initHello, vectorValue(13), fill);
    const withCookie = sent(a.receive(cookie, atB));
    expect(hex(withCookie)).toBe(hex(vectorValue(26)));

    const respHello = sent(b.receive(withCookie, atA));
    expect(hex(respHello)).toBe(hex(vectorValue(46)));

    const proven = a.receive(respHello, atB);
    expect(hex(sent(proven))).toBe(hex(vectorValue(47)));
    expect(oskOf(proven)).toMatchObject({ peer: 'b', role: 'initiator', version: 'V03', ciphertext: 'r4-156' });
    expect(hex(oskOf(proven)!.osk)).toBe(hex(vectorValue(49)));

    const concluded = b.receive(sent(proven), atA);
    expect(hex(oskOf(concluded)!.osk)).toBe(hex(vectorValue(49)));
    expect(oskOf(concluded)).toMatchObject({ peer: 'a', role: 'responder', ciphertext: 'r4-156', endpoint: atA });
    expect(hex(sent(concluded).subarray(0, 48))).toBe(hex(vectorValue(48).subarray(0, 48)));

    expect(a.exchange.peerStatus('b')?.initiating).toBe('confirm');
    a.receive(vectorValue(48), atB);
    expect(a.exchange.peerStatus('b')?.initiating).toBe('idle');
  });

  test('every chaining key and hash of the vector was met', () => {
    const outputs = [17, 20, 22, 23, 25, 27, 28, 29, 30, 31, 33, 36, 39, 44, 45, 49];
    expect(outputs.filter((index) => !noted.includes(hex(vectorValue(index))))).toEqual([]);
  });
});

/** Bits 48 i + offset, i < 96. */
function everyFortyEighth(offset: number): Uint8Array {
  const vector = new Uint8Array(576);
  for (let i = 0; i < 96; i++) vector[(48 * i + offset) >> 3]! |= 1 << ((48 * i + offset) & 7);
  return vector;
}

/** A whole handshake on the inputs of 5.13, cookies zero. */
function handshake(version: ProtocolVersion, ciphertext: CiphertextEncoding) {
  const toB = encapsulateError(publicB, everyFortyEighth(0), ciphertext);
  const toA = encapsulateError(publicA, everyFortyEighth(47), ciphertext);
  const { a, b, initHello } = parties(version, ciphertext, { toA, toB });
  const respHello = sent(b.receive(initHello, atA));
  const proven = a.receive(respHello, atB);
  const concluded = b.receive(sent(proven), atA);
  const oskA = hex(oskOf(proven)!.osk);
  expect(hex(oskOf(concluded)!.osk)).toBe(oskA);
  const linkKey = hex(oskOf(proven)!.linkKey);
  expect([hex(oskOf(concluded)!.linkKey), linkKey === oskA]).toEqual([linkKey, false]);
  return { osk: oskA, messages: [initHello, respHello, sent(proven), sent(concluded)].map(sha256) };
}

describe('known answers of spec tunnel.md 5.13', () => {
  test.each([
    ['V02', 'pc188', '8fe80b5ae5d5c67f7471d1fc1538d98272b2bdd39cca23f0133922181f4e4d16'],
    ['V03', 'pc188', 'f6118e1f53ef630cc265655de144222d06cb6e6c79098843b12ca7f2e8b23bc9'],
    ['V02', 'r4-156', 'af0eb12af289afec416d366ede0d6254760c6130c60e9bc21a459bf0aef7fe6b'],
    ['V03', 'r4-156', '882dd90e890e2430e0b5e0162852f4fdf1854d6732e5407b554eddd0a098286f'],
  ] as const)('osk of %s %s', (version, ciphertext, osk) => {
    expect(handshake(version, ciphertext).osk).toBe(osk);
  });

  test('messages of V02 pc188', () => {
    expect(handshake('V02', 'pc188').messages).toEqual([
      'd62cd2f77e6f563d37306ff14e97ccdfaa442627c081f819e01e51501b2009ea',
      '88cd9fdd0d00a3d5d3ee74bb42ed2159c05e7c0273634ec90e6be3b3dea6e33d',
      '75a3dd01e0c69b594a392e51a699e066619ae01a6c9f0a025a7759e15e188993',
      '940e804ebd0312057d409f2ccf622f1e16f9b184d21082dea6978594cec20427',
    ]);
  });
});
