/** Layout, biscuit and cookie reply (spec tunnel.md 5.4). */
import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { openSuites } from '../hash/suite.ts';
import { prefixesOf } from '../key-prefixes.ts';
import { seededRandom } from '../testing/scripted-random.ts';
import { biscuitKeyIndex, openBiscuit, sealBiscuit } from './biscuit.ts';
import { openCookieReply, sealCookieReply } from './cookie-reply.ts';
import {
  blankMessage,
  cookieReplyFields,
  emptyDataFields,
  initConfFields,
  initHelloBytes,
  initHelloFields,
  messageType,
  recognize,
  respHelloBytes,
  respHelloFields,
} from './layout.ts';

const suites = await openSuites();
const random = seededRandom(11);
const [responder, other] = [prefixesOf(suites, random(32)), prefixesOf(suites, random(32))];

describe('layout', () => {
  test('sizes of 5.4, and no other', () => {
    const sizes = { 0x81: [1060, 1092], 0x82: [1100, 1132], 0x83: [176], 0x84: [64], 0x86: [1060, 1092] };
    const wrong: string[] = [];
    for (let type = 0; type < 256; type++) {
      const known = sizes[type as keyof typeof sizes];
      for (let length = 0; length < 1500; length++) {
        const datagram = new Uint8Array(length);
        if (length > 0) datagram[0] = type;
        const found = recognize(datagram);
        const expected =
          length === 0 ? 'length' : known === undefined ? 'type' : known.includes(length) ? type : 'length';
        const seen = typeof found === 'string' ? found : messageType[found.name];
        if (seen !== expected) wrong.push(`${type} ${length}: ${seen}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test.each([1, 2, 3])('reserved byte %i is zero', (at) => {
    const datagram = blankMessage('initConf', 176);
    expect(recognize(datagram)).toMatchObject({ name: 'initConf' });
    datagram[at] = 1;
    expect(recognize(datagram)).toBe('type');
  });

  test('fields follow one another up to the mac, without gap or overlap', () => {
    const cases: [number, Record<string, Uint8Array>][] = [];
    for (const ciphertext of ['pc188', 'r4-156'] as const) {
      const [hello, answer] = [initHelloBytes(ciphertext), respHelloBytes(ciphertext)];
      cases.push([hello - 32, initHelloFields(new Uint8Array(hello))]);
      cases.push([answer - 32, respHelloFields(new Uint8Array(answer))]);
    }
    cases.push([144, initConfFields(new Uint8Array(176))], [32, emptyDataFields(new Uint8Array(64))]);
    cases.push([64, cookieReplyFields(new Uint8Array(1092))]);
    for (const [end, fields] of cases) {
      let at = 4;
      for (const field of Object.values(fields).toSorted((a, b) => a.byteOffset - b.byteOffset)) {
        expect(field.byteOffset).toBe(at);
        at += field.length;
      }
      expect(at).toBe(end);
    }
    expect(initHelloFields(new Uint8Array(1092)).sctr).toHaveLength(188);
    expect(respHelloFields(new Uint8Array(1100)).scti).toHaveLength(156);
  });
});

describe.each(['V02', 'V03'] as const)('biscuit of %s', (version) => {
  const suite = suites[version];
  const binding = { responder, sidi: random(4), sidr: random(4) };
  const biscuit = { peerId: random(32), number: 2 ** 40 + 7, ck: random(32) };
  const key = { index: 1, secret: random(32) };
  const sealed = sealBiscuit(suite, key, random(24), binding, biscuit);

  test('opens to what was put in, and names its key', () => {
    expect(sealed).toHaveLength(116);
    expect(biscuitKeyIndex(sealed)).toBe(1);
    expect(openBiscuit(suite, key.secret, binding, sealed)).toEqual(biscuit);
    const zero = sealBiscuit(suite, { ...key, index: 0 }, random(24).fill(0xff), binding, biscuit);
    expect(biscuitKeyIndex(zero)).toBe(0);
  });

  test('is bound to key, sessions, responder and version', () => {
    const open = (secret: Uint8Array, bound: typeof binding) => openBiscuit(suite, secret, bound, sealed);
    expect(open(random(32), binding)).toBeUndefined();
    expect(open(key.secret, { ...binding, sidi: random(4) })).toBeUndefined();
    expect(open(key.secret, { ...binding, sidr: random(4) })).toBeUndefined();
    expect(open(key.secret, { ...binding, responder: other })).toBeUndefined();
    const otherVersion = suites[version === 'V02' ? 'V03' : 'V02'];
    expect(openBiscuit(otherVersion, key.secret, binding, sealed)).toBeUndefined();
  });

  test('opens in no other form', () => {
    fc.assert(
      fc.property(fc.nat(115), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const forged = sealed.slice();
        forged[at]! ^= flip;
        expect(openBiscuit(suite, key.secret, binding, forged)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(
          openBiscuit(suite, key.secret, binding, noise.length < 24 ? sealed.subarray(0, 23) : noise),
        ).toBeUndefined();
      }),
    );
  });
});

test('a cookie reply opens for the InitHello it answers alone', () => {
  const [hello, second] = [random(1060), random(1060)];
  const reply = sealCookieReply(suites, responder, hello, new Uint8Array(16).fill(6), random);
  expect(reply).toHaveLength(1060);
  expect(cookieReplyFields(reply).sid).toEqual(initHelloFields(hello).sidi);
  expect(openCookieReply(suites, responder, hello, reply)).toEqual(new Uint8Array(16).fill(6));
  expect(openCookieReply(suites, responder, second, reply)).toBeUndefined();
  expect(openCookieReply(suites, other, hello, reply)).toBeUndefined();
});
