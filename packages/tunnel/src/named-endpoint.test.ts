import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type Lookup, NamedEndpoint, parseHostPort, showEndpoint } from './named-endpoint.ts';

describe('host:port', () => {
  test.each([
    ['203.0.113.4:51820', '203.0.113.4', 51_820],
    ['[2001:db8::1]:9999', '2001:db8::1', 9_999],
    ['hub.example.org:1', 'hub.example.org', 1],
  ])('%s', (text, host, port) => expect(parseHostPort(text)).toEqual({ host, port }));

  test.each(['', 'hub', 'hub:', 'hub:0', 'hub:65536', '2001:db8::1:9', '[hub]:1', '[1.2.3.4]:1', 'a b:1', ':1'])(
    'refuses "%s"',
    (text) => expect(parseHostPort(text)).toBeUndefined(),
  );

  test('never throws, and what it takes it shows again', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        const parsed = parseHostPort(text);
        if (parsed !== undefined) {
          expect(parseHostPort(showEndpoint({ address: parsed.host, port: parsed.port }))).toEqual(parsed);
        }
      }),
    );
  });
});

describe('a named endpoint', () => {
  const answers = (...lists: string[][]): Lookup => {
    let at = 0;
    return () => {
      const list = lists[Math.min(at++, lists.length - 1)] ?? [];
      return list.length === 0 ? Promise.reject(new Error('SERVFAIL')) : Promise.resolve(list);
    };
  };

  test('an address needs no resolver', async () => {
    const endpoint = new NamedEndpoint({ host: '192.0.2.1', port: 9 }, answers([]));
    expect(endpoint.current).toEqual({ address: '192.0.2.1', port: 9 });
    expect(await endpoint.resolve()).toBe(false);
    expect(endpoint.advance()).toBe(false);
  });

  test('all addresses have their turn, and the last good one stays while the resolver is away', async () => {
    const endpoint = new NamedEndpoint({ host: 'hub', port: 9 }, answers(['192.0.2.1', '2001:db8::1'], []));
    expect(endpoint.current).toBeUndefined();
    expect(await endpoint.resolve()).toBe(true);
    expect(endpoint.current?.address).toBe('192.0.2.1');
    expect(endpoint.advance()).toBe(true);
    expect(endpoint.current?.address).toBe('2001:db8::1');
    expect(await endpoint.resolve()).toBe(false);
    expect(endpoint.current?.address).toBe('2001:db8::1');
    endpoint.advance();
    expect(endpoint.current?.address).toBe('192.0.2.1');
  });

  test('an address that is to stay does, beside those that the name has now, until it is left', async () => {
    const lists = [['192.0.2.1'], ['192.0.2.7'], ['192.0.2.8'], ['192.0.2.9']];
    const endpoint = new NamedEndpoint({ host: 'hub', port: 9 }, answers(...lists));
    expect(await endpoint.resolve(true)).toBe(true);
    for (const _ of [1, 2]) {
      expect(await endpoint.resolve(true)).toBe(false);
      expect([endpoint.current?.address, endpoint.count]).toEqual(['192.0.2.1', 2]);
    }
    endpoint.advance();
    expect(endpoint.current?.address).toBe('192.0.2.8');
    expect(await endpoint.resolve()).toBe(true);
    expect([endpoint.current?.address, endpoint.count]).toEqual(['192.0.2.9', 1]);
  });

  test('an address that the name lost is left', async () => {
    const endpoint = new NamedEndpoint({ host: 'hub', port: 9 }, answers(['192.0.2.1'], ['192.0.2.7']));
    await endpoint.resolve();
    expect(await endpoint.resolve()).toBe(true);
    expect(endpoint.current?.address).toBe('192.0.2.7');
  });
});
