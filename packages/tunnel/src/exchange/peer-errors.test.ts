import { describe, expect, test } from 'bun:test';
import { dialectMismatch, exchangeTimeout, handshakeTimeout, pskMismatch } from './peer-errors.ts';

const [v4, v6] = [
  { address: '192.0.2.1', port: 9_999 },
  { address: '2001:db8::1', port: 9_999 },
];

describe('words for a failure (2.9)', () => {
  test('a timeout names what was tried, what was sent, and the port to look at', () => {
    expect(exchangeTimeout('for 30 s', { places: [v6, v4], bytes: 3_276 }, 'at the hub')).toBe(
      'ROSENPASS_TIMEOUT: no answer for 30 s; tried [2001:db8::1]:9999, 192.0.2.1:9999; 3276 bytes sent; is UDP 9999 open at the hub?',
    );
    const place = { ...v4, port: 51_820 };
    expect(handshakeTimeout('for 30 s', { places: [place], bytes: 148 }, 'there')).toBe(
      'WIREGUARD_TIMEOUT: no handshake for 30 s; tried 192.0.2.1:51820; 148 bytes sent; is UDP 51820 open there?',
    );
  });

  test('without an address it is the name that has to be looked at', () => {
    expect(exchangeTimeout('within 10 s', { places: [], bytes: 0 }, 'at the hub')).toBe(
      'ROSENPASS_TIMEOUT: no answer within 10 s; no address of it is known; does its name resolve here?',
    );
  });

  test('a mismatch tells the age of the exchange and both places', () => {
    expect(pskMismatch(43_400, v4, v6)).toBe(
      'PSK_MISMATCH: the last exchange ended 43 s ago, and no handshake follows it; WireGuard 192.0.2.1:9999, Rosenpass [2001:db8::1]:9999',
    );
    expect(pskMismatch(undefined)).toContain('ended never');
    expect(dialectMismatch('encoding', 'peer speaks r4-156')).toBe('ROSENPASS_ENCODING_MISMATCH: peer speaks r4-156');
    expect(dialectMismatch('version')).toStartWith('ROSENPASS_VERSION_MISMATCH: the peer');
  });
});
