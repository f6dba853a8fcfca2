import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { BaseUrlError, originOf, parseBaseUrl, rootOf, writesVersion } from './parse-base-url.ts';

describe('parseBaseUrl', () => {
  const good: ReadonlyArray<[text: string, host: string, port: number, tls: boolean, prefix: string]> = [
    ['http://127.0.0.1:11434/v1', '127.0.0.1', 11434, false, '/v1'],
    ['http://127.0.0.1:11434', '127.0.0.1', 11434, false, '/v1'],
    ['http://127.0.0.1:11434/v1/', '127.0.0.1', 11434, false, '/v1'],
    ['https://gpu.lan', 'gpu.lan', 443, true, '/v1'],
    ['http://gpu.lan/x', 'gpu.lan', 80, false, '/x/v1'],
    ['http://gpu.lan/x/v1', 'gpu.lan', 80, false, '/x/v1'],
    ['HTTP://[::1]:8000/v1', '::1', 8000, false, '/v1'],
    ['  http://gpu.lan:9931  ', 'gpu.lan', 9931, false, '/v1'],
  ];
  test.each(good)('%s', (text, host, port, tls, prefix) => {
    expect(parseBaseUrl(text)).toEqual({ host, port, tls, prefix });
  });

  const bad: ReadonlyArray<[text: string, says: RegExp]> = [
    ['', /empty/],
    ['127.0.0.1:11434', /http:\/\//],
    ['ftp://x/', /http:\/\//],
    ['http://user:secret@x/', /user or password/],
    ['http://x/?a=1', /query/],
    ['http://x/?', /query/],
    ['http://x/#', /fragment/],
    ['http:///v1', /no host/],
    ['http://x:99999/', /host and port/],
    ['http://x:0/', /port 0/],
    ['http://x\\y/', /backslash/],
    ['http://x/v1/chat/completions', /what comes before/],
    [`http://x/${'a'.repeat(3_000)}`, /longer/],
  ];
  test.each(bad)('refuses %s', (text, says) => {
    expect(() => parseBaseUrl(text)).toThrow(says);
  });

  test('any text gives a target or a BaseUrlError', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.webUrl({ withQueryParameters: true }),
      fc.string().map((s) => `http://${s}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          const target = parseBaseUrl(text);
          expect(target.prefix.endsWith('/v1')).toBe(true);
          expect(target.host).not.toBe('');
          // What comes out, written again, means the same.
          expect(parseBaseUrl(originOf(target) + target.prefix)).toEqual(target);
        } catch (error) {
          expect(error).toBeInstanceOf(BaseUrlError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('roots and origins', () => {
  expect(rootOf(parseBaseUrl('http://x/y/v1'))).toBe('/y');
  expect(rootOf(parseBaseUrl('http://x'))).toBe('');
  expect(originOf(parseBaseUrl('http://[::1]:8000/v1'))).toBe('http://[::1]:8000');
  expect(writesVersion('http://x/v1/')).toBe(true);
  expect(writesVersion('http://x')).toBe(false);
});
