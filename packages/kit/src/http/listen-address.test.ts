import { expect, test } from 'bun:test';
import fc from 'fast-check';
import {
  isCidr,
  isForbiddenTarget,
  isLoopback,
  isPrivate,
  isWildcard,
  parseListenAddress,
  showListenAddress,
} from './listen-address.ts';

test('addresses are sorted whatever they are written like', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', '[::1]', 'localhost', '::ffff:127.0.0.1', '::ffff:7f00:1'])
    expect(isLoopback(host)).toBe(true);
  for (const host of ['10.0.0.1', '128.0.0.1', 'localhost.evil.example', '127.0.0.1.evil.example', '', '0.0.0.0'])
    expect(isLoopback(host)).toBe(false);
  for (const host of ['10.0.0.1', '172.31.0.1', '192.168.1.1', 'fd00::1', '::ffff:10.0.0.1'])
    expect(isPrivate(host)).toBe(true);
  for (const host of ['172.32.0.1', '8.8.8.8', '127.0.0.1']) expect(isPrivate(host)).toBe(false);
  for (const host of ['0.0.0.0', '::', '[::]', '*', '', '0', '::ffff:0.0.0.0', '0:0:0:0:0:0:0:0'])
    expect(isWildcard(host)).toBe(true);
  for (const host of ['10.0.0.0', '::1', '127.0.0.1']) expect(isWildcard(host)).toBe(false);
  for (const host of ['169.254.169.254', '::ffff:a9fe:a9fe', 'fe80::1', 'metadata.google.internal', '100.100.100.200'])
    expect(isForbiddenTarget(host)).toBe(true);
  for (const host of ['10.0.0.5', 'ollama.lan', '127.0.0.1']) expect(isForbiddenTarget(host)).toBe(false);
});

test('listen addresses', () => {
  expect(parseListenAddress('127.0.0.1', 80)).toEqual({ host: '127.0.0.1', port: 80 });
  expect(parseListenAddress('127.0.0.1:0', 80)).toEqual({ host: '127.0.0.1', port: 0 });
  expect(parseListenAddress('localhost:99', 80)).toEqual({ host: '127.0.0.1', port: 99 });
  expect(parseListenAddress('::1', 80)).toEqual({ host: '::1', port: 80 });
  expect(parseListenAddress('[::1]:99', 80)).toEqual({ host: '::1', port: 99 });
  expect(parseListenAddress(':99', 80)?.host).toBe('');
  for (const text of ['', 'host.lan', '1.2.3.4:99999', '1.2.3.4:', '1.2.3', '[::1', 'http://127.0.0.1'])
    expect(parseListenAddress(text, 80)).toBeUndefined();
  expect(showListenAddress({ host: '::1', port: 9 })).toBe('[::1]:9');
});

test('networks', () => {
  for (const net of ['10.0.0.0/8', '10.0.0.1', '::/0', 'fd00::1/128']) expect(isCidr(net)).toBe(true);
  for (const net of ['', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'x/8', '::/129']) expect(isCidr(net)).toBe(false);
});

test('fuzz: any text is an address or none, and what is shown is read back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.[\]*]*$/)), (text) => {
      for (const is of [isLoopback, isPrivate, isWildcard, isForbiddenTarget, isCidr])
        expect(typeof is(text)).toBe('boolean');
      const address = parseListenAddress(text, 80);
      if (address !== undefined && !isWildcard(address.host))
        expect(parseListenAddress(showListenAddress(address), 1)).toEqual(address);
    }),
  );
});
