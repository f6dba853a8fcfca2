import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TunnelError } from '../tunnel-device.ts';
import { errnoIn, readGet, writeSet } from './uapi-text.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (text: string) => new TextEncoder().encode(text);
const key = (byte: number) => new Uint8Array(32).fill(byte);

describe('requests', () => {
  test('a device and its peers, in the order of spec tunnel.md 5.8', () => {
    const request = writeSet({
      privateKey: key(0x11),
      listenPort: 51820,
      replacePeers: true,
      peers: [
        { publicKey: key(0x22), remove: true },
        {
          publicKey: key(0x22),
          presharedKey: key(0x55),
          endpoint: { address: 'fd00::0:1', port: 7 },
          keepaliveS: 25,
          onlyAddress: '10.90.0.2',
        },
        { publicKey: key(0xab), presharedKey: key(0), updateOnly: true, endpoint: { address: '192.0.2.1', port: 9 } },
      ],
    });
    expect(text(request).split('\n')).toEqual([
      'set=1',
      `private_key=${'11'.repeat(32)}`,
      'listen_port=51820',
      'replace_peers=true',
      `public_key=${'22'.repeat(32)}`,
      'remove=true',
      `public_key=${'22'.repeat(32)}`,
      `preshared_key=${'55'.repeat(32)}`,
      'endpoint=[fd00::1]:7',
      'persistent_keepalive_interval=25',
      'replace_allowed_ips=true',
      'allowed_ip=10.90.0.2/32',
      `public_key=${'ab'.repeat(32)}`,
      'update_only=true',
      `preshared_key=${'00'.repeat(32)}`,
      'endpoint=192.0.2.1:9',
      '',
      '',
    ]);
  });

  test('nothing that came as text opens a line of its own', () => {
    const evil = '10.90.0.2\nprivate_key=00';
    expect(() => writeSet({ peers: [{ publicKey: key(1), onlyAddress: evil }] })).toThrow(RangeError);
    const endpoint = { address: evil, port: 1 };
    expect(() => writeSet({ peers: [{ publicKey: key(1), endpoint }] })).toThrow(RangeError);
    expect(() => writeSet({ privateKey: new Uint8Array(31) })).toThrow(RangeError);
  });
});

describe('answers', () => {
  const answer = [
    `private_key=${'1f'.repeat(32)}`,
    'listen_port=51820',
    'fwmark=7',
    `public_key=${'22'.repeat(32)}`,
    `preshared_key=${'AB'.repeat(32)}`,
    'protocol_version=1',
    'endpoint=[fd00::1]:51821',
    'last_handshake_time_sec=1700000000',
    'last_handshake_time_nsec=250000000',
    'tx_bytes=1000000000000',
    'rx_bytes=7',
    'persistent_keepalive_interval=25',
    'allowed_ip=10.90.0.2/32',
    'allowed_ip=10.90.0.3/32',
    `public_key=${'33'.repeat(32)}`,
    'errno=0',
    '',
    '',
  ].join('\n');

  test('a device with two peers', () => {
    const reading = readGet(bytes(answer));
    expect(errnoIn(bytes(answer))).toBe(0);
    expect(reading).toMatchObject({ privateKey: key(0x1f), listenPort: 51820 });
    expect(reading.peers).toEqual([
      {
        publicKey: key(0x22),
        presharedKey: key(0xab),
        endpoint: { address: 'fd00::1', port: 51821 },
        keepaliveS: 25,
        lastHandshakeMs: 1_700_000_000_250,
        rxBytes: 7,
        txBytes: 1e12,
        allowedIps: ['10.90.0.2/32', '10.90.0.3/32'],
      },
      {
        publicKey: key(0x33),
        presharedKey: key(0),
        endpoint: undefined,
        keepaliveS: 0,
        lastHandshakeMs: undefined,
        rxBytes: 0,
        txBytes: 0,
        allowedIps: [],
      },
    ]);
  });

  test('a device that nobody set up has no key', () => {
    expect(readGet(bytes('listen_port=4\nerrno=0\n\n'))).toEqual({ privateKey: undefined, listenPort: 4, peers: [] });
    expect(readGet(bytes(`private_key=${'00'.repeat(32)}\nerrno=0\n\n`)).privateKey).toBeUndefined();
    expect(errnoIn(bytes('errno=-22\n\n'))).toBe(-22);
  });

  test.each(['', '\n', 'errno\n\n', 'errno=x\n\n', 'listen_port=1\n\n'])('%j has no errno', (answer) => {
    expect(() => errnoIn(bytes(answer))).toThrow(TunnelError);
  });

  test('any bytes are read or refused by name, and no key shows in the error', () => {
    const line = fc.oneof(
      fc.constantFrom(...answer.split('\n')),
      fc.string({ maxLength: 40 }),
      fc.constant(`preshared_key=${'zz'.repeat(32)}`),
    );
    const property = fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      try {
        readGet(bytes(lines.join('\n')));
      } catch (error) {
        expect(error).toBeInstanceOf(TunnelError);
        expect((error as Error).message).not.toMatch(/[0-9a-fA-F]{32}/);
      }
    });
    fc.assert(property, { numRuns: 500 });
  });

  test('what is written is what is read', () => {
    const keys = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const property = fc.property(keys, keys, fc.ipV4(), fc.nat(65_535), (publicKey, presharedKey, address, port) => {
      const endpoint = { address, port };
      const peer = { publicKey, presharedKey, endpoint, keepaliveS: 25, onlyAddress: address };
      const { peers } = readGet(writeSet({ peers: [peer] }).subarray('set=1\n'.length));
      expect(peers).toMatchObject([{ publicKey, presharedKey, endpoint, allowedIps: [`${address}/32`] }]);
    });
    fc.assert(property, { numRuns: 200 });
  });
});
