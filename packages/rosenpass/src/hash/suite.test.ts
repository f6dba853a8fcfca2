import { describe, expect, test } from 'bun:test';
import { openPrimitives, passesKnownAnswers } from './primitives.ts';
import { type LabelName, openSuites } from './suite.ts';

const suites = await openSuites();
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const zeros = new Uint8Array(32);

describe('spec tunnel.md 5.1', () => {
  test.each([
    ['V02', '0598878d976a9308dc5f26421d210368fa7283771b383b2c0b43e67170145067'],
    ['V03', 'ae042fbc01e4b3f6432bff5e9b0bbba1266ed917043eac1edabbf950ab1591ee'],
  ] as const)('H of %s', (version, digest) => {
    expect(hex(suites[version].hash(zeros, new Uint8Array(32).fill(0xff)))).toBe(digest);
  });

  test.each<[LabelName, string, string]>([
    ['mac', '8779e72b17ae66d7', '28015878ab6cacf3'],
    ['peerId', '9ff6e4c014424fc1', '77ec28597e62b92c'],
    ['biscuitAd', '4876a3c65dd5d072', 'bc45c82895ebec27'],
    ['ckInit', 'abea67e8d16035b6', '88607c38efb6adec'],
    ['mix', '41d20e68ac3b0eba', 'a5719ddaa848d422'],
    ['handshakeKey', '1db8ec314788a2f1', '5062428e3baf12b5'],
    ['initiatorKey', 'd34bb2a7858ed51a', 'cb5c355236602bbe'],
    ['responderKey', 'c9181f95721584d0', 'cd853373157eb924'],
    ['osk', '0cf2591fd46ab229', 'c1ebe9d9c7da6409'],
  ])('label %s', (name, v02, v03) => {
    expect(hex(suites.V02.labels[name]).slice(0, 16)).toBe(v02);
    expect(hex(suites.V03.labels[name]).slice(0, 16)).toBe(v03);
  });

  test.each<[LabelName, string]>([
    ['cookie', 'b47a6224b8808aca'],
    ['cookieValue', '3c81f7886cbee187'],
    ['cookieKey', '9e17d8520f2f9c4a'],
  ])('label %s is V03 always', (name, label) => {
    expect(hex(suites.V03.labels[name]).slice(0, 16)).toBe(label);
  });
});

describe('ciphers', () => {
  test('are refused when they answer wrongly or take forgeries', async () => {
    const good = await openPrimitives();
    expect(passesKnownAnswers(good)).toBe(true);
    expect(passesKnownAnswers({ ...good, open: () => new Uint8Array(0) })).toBe(false);
    expect(passesKnownAnswers({ ...good, xopen: (_key, _nonce, _associated, sealed) => sealed })).toBe(false);
    expect(passesKnownAnswers({ ...good, blake2b: () => zeros })).toBe(false);
    expect(passesKnownAnswers({ ...good, seal: (_key, _nonce, plain) => plain })).toBe(false);
  });

  test('give undefined for what has no room for a tag', () => {
    const { ciphers } = suites.V03;
    for (let length = 0; length < 16; length++) {
      expect(ciphers.open(zeros, new Uint8Array(12), new Uint8Array(length))).toBeUndefined();
      expect(ciphers.xopen(zeros, new Uint8Array(24), zeros, new Uint8Array(length))).toBeUndefined();
    }
  });

  test('neither keeps nor changes its inputs', () => {
    for (const version of ['V02', 'V03'] as const) {
      const [key, data] = [new Uint8Array(32).fill(3), new Uint8Array(100).fill(5)];
      const first = suites[version].hash(key, data);
      expect(key.every((byte) => byte === 3) && data.every((byte) => byte === 5)).toBe(true);
      expect(suites[version].hash(key, data)).toEqual(first);
    }
  });
});
