import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { RosenpassKeyInvalid } from '../mceliece/rosenpass-key-invalid.ts';
import { splitSecretKey } from '../mceliece/secret-key.ts';
import { convertSecretKey } from './convert-secret-key.ts';
import { keyOutput } from './key-output.ts';
import { keyText, readKeyText } from './key-text.ts';
import {
  readRpPrivateDirectory,
  readRpPublicDirectory,
  rpPrivateDirectory,
  rpPublicDirectory,
} from './rp-directory.ts';
import { showFingerprint } from './show-fingerprint.ts';
import { parseSocketAddress, showSocketAddress } from './socket-address.ts';

const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
const ascii = (text: string) => new TextEncoder().encode(text);

test('a fingerprint in groups of 8', () => {
  expect(showFingerprint(`sha256:${'0123456789abcdef'.repeat(4)}`)).toBe(
    'sha256:01234567 89abcdef 01234567 89abcdef 01234567 89abcdef 01234567 89abcdef',
  );
});

test('secret layouts convert both ways and keep their parts', () => {
  const r4 = random(13_608);
  const pc = convertSecretKey(r4, 'pc', random);
  const back = convertSecretKey(pc, 'r4', random);
  expect([pc.length, back.length]).toEqual([13_568, 13_608]);
  expect(splitSecretKey(back)).toEqual(splitSecretKey(r4));
  expect(back.subarray(32, 40)).toEqual(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0));
  expect(convertSecretKey(pc, 'pc', random)).toEqual(pc);
  expect(() => convertSecretKey(random(100), 'pc', random)).toThrow('found 100 bytes, expected 13568 or 13608');
});

test('key texts: base64 of 32 bytes with space around it, nothing else, and never shown', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      expect(readKeyText('psk', ` ${keyText(key)}\n`)).toEqual(key);
      expect(readKeyText('psk', ascii(keyText(key)))).toEqual(key);
    }),
  );
  expect(() => readKeyText('psk', random(16).toBase64())).toThrow('psk: found 16 bytes, expected 32');
  for (const text of ['', 'not a key', 'é'.repeat(44), 'A'.repeat(1000)]) {
    expect(() => readKeyText('psk', text)).toThrow(new RosenpassKeyInvalid('psk', 'no base64', 32));
  }
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), fc.uint8Array({ maxLength: 200 })), (source) => {
      try {
        expect(readKeyText('psk', source).length).toBe(32);
      } catch (error) {
        expect(error).toBeInstanceOf(RosenpassKeyInvalid);
        expect((error as Error).message).toMatch(/^psk: found (no base64|\d+ bytes), expected 32( bytes)?$/);
      }
    }),
  );
});

test('key_out: the file, and the line with its path as Rust shows it', () => {
  const id = new Uint8Array(32).fill(1);
  const key = new Uint8Array(32).fill(2);
  const { fileText, line } = keyOutput(id, key, '/run/a "b"\\c\n\u001b', 'exchanged');
  expect(fileText).toBe('AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=');
  expect(line).toBe(
    'output-key peer AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE= key-file "/run/a \\"b\\"\\\\c\\n\\u{1b}" exchanged',
  );
  expect(keyOutput(id, key, '/k', 'stale').line).toEndWith(' key-file "/k" stale');
});

const privateKeys = () => ({
  wireguardPrivateKey: random(32),
  rosenpassSecretKey: new Uint8Array(13_568).fill(7),
  rosenpassPublicKey: new Uint8Array(524_160).fill(9),
});

test('rp directories read back what was written', () => {
  const own = privateKeys();
  expect(readRpPrivateDirectory(rpPrivateDirectory(own))).toEqual(own);
  const { rosenpassPublicKey } = own;
  for (const presharedKey of [undefined, random(32)]) {
    const keys = { wireguardPublicKey: random(32), rosenpassPublicKey, presharedKey };
    expect(readRpPublicDirectory(rpPublicDirectory(keys))).toEqual(keys);
  }
  expect([...rpPrivateDirectory(own).keys()]).toEqual(['wgsk', 'pqsk', 'pqpk']);
});

test.each([
  ['wgsk', undefined, 'wgsk: found no file, expected 32 bytes'],
  ['wgsk', 'AAAA', 'wgsk: found 3 bytes, expected 32'],
  ['pqsk', undefined, 'pqsk: found no file, expected 13568 or 13608 bytes'],
  ['pqsk', 'x'.repeat(13_600), 'pqsk: found 13600 bytes, expected 13568 or 13608'],
  ['pqpk', 'x'.repeat(524_159), 'pqpk: found 524159 bytes, expected 524160'],
])('a private directory with %s = %p is refused', (name, content, message) => {
  const files = new Map(rpPrivateDirectory(privateKeys()));
  if (content === undefined) files.delete(name);
  else files.set(name, ascii(content));
  expect(() => readRpPrivateDirectory(files)).toThrow(message);
});

test('a public directory with a broken part is refused', () => {
  const files = new Map(rpPublicDirectory({ wireguardPublicKey: random(32), rosenpassPublicKey: random(1) }));
  expect(() => readRpPublicDirectory(files)).toThrow('pqpk: found 1 bytes, expected 524160');
  files.set('pqpk', new Uint8Array(524_160)).set('psk', ascii('secret'));
  expect(() => readRpPublicDirectory(files)).toThrow('psk: found 4 bytes, expected 32');
});

test('socket addresses: hosts and ports apart and together, nothing else', () => {
  for (const text of ['10.0.0.1:1', '[2001:db8::1]:65535', 'hub.example.org:9999']) {
    const address = parseSocketAddress(text);
    expect(address === undefined ? undefined : showSocketAddress(address)).toBe(text);
  }
  const wrong = [
    '',
    ':1',
    'h',
    'h:',
    'h:0',
    'h:65536',
    '::1:1',
    '[::1]',
    '[h]:1',
    '[10.0.0.1]:1',
    'h:1 ',
    'h:1\n',
    'a b:1',
  ];
  for (const text of wrong) expect(parseSocketAddress(text)).toBeUndefined();
  fc.assert(
    fc.property(fc.string(), (text) => {
      const address = parseSocketAddress(text);
      if (address !== undefined) expect(showSocketAddress(address)).toBe(text.replace(/0+(?=\d+$)/, ''));
    }),
  );
});
