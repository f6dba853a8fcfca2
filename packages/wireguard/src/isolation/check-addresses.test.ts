import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { TunnelError } from '../tunnel-device.ts';
import { checkAddresses, type HostAddresses, resolversIn, type WantedAddresses } from './check-addresses.ts';

const host: HostAddresses = {
  interfaces: [
    { address: '127.0.0.1', prefix: 8, peer: '127.0.0.1' },
    { address: '192.168.7.1', prefix: 24, peer: '192.168.7.1' },
    { address: '10.8.0.2', prefix: 32, peer: '10.8.0.1' },
    { address: 'fd00:7::1', prefix: 64, peer: 'fd00:7::1' },
  ],
  gateways: ['10.90.9.9'],
  resolvers: ['10.90.8.8'],
};
const good: WantedAddresses = { own: '10.90.0.2', peer: '10.90.0.1', range: '10.90.0.0/16', mtu: 1420 };
const wide = '0.0.0.0/0';

const ruleOf = (wanted: Partial<WantedAddresses>): string => {
  try {
    checkAddresses({ ...good, ...wanted }, host);
    return '';
  } catch (error) {
    expect(error).toMatchObject({ code: 'TUNNEL_ADDRESS_REFUSED' });
    return (error as Error).message;
  }
};

describe('tunnel addresses (I10, network-plane.md S7)', () => {
  test('what a hub gives in good faith', () => {
    expect(ruleOf({})).toBe('');
    expect(ruleOf({ peer: undefined })).toBe('');
    expect(ruleOf({ own: 'fd00::2', peer: 'fd00::1', range: 'fd00::/64' })).toBe('');
    expect(ruleOf({ mtu: 1280 })).toBe('');
  });

  test.each<[Partial<WantedAddresses>, string]>([
    [{ own: '192.168.1.5' }, 'outside of the range'],
    [{ peer: '203.0.113.4' }, 'outside of the range'],
    [{ own: '192.168.1.5/24', range: wide }, 'not an IP address'],
    [{ own: '::ffff:10.90.0.2', range: '::/0' }, 'not an IP address'],
    [{ own: '' }, 'not an IP address'],
    [{ own: '192.168.7.77', range: wide }, 'network 192.168.7.1/24'],
    [{ peer: '192.168.7.1', range: wide }, 'address of this machine'],
    [{ peer: '10.8.0.1', range: wide }, 'address of this machine'],
    [{ peer: '127.9.9.9', range: wide }, 'network 127.0.0.1/8'],
    [{ peer: '10.90.9.9' }, 'gateway'],
    [{ peer: '10.90.8.8' }, 'resolver'],
    [{ peer: '10.90.0.2' }, 'is the hub'],
    [{ own: 'fd00:7::5', peer: 'fd00:7::6', range: 'fd00::/16' }, 'network fd00:7::1/64'],
    [{ own: 'fd00::2', range: 'fd00::/64' }, 'outside of the range'],
    [{ mtu: 65_535 }, 'MTU'],
    [{ mtu: 1279 }, 'MTU'],
    [{ mtu: 1400.5 }, 'MTU'],
    [{ range: '10.90.0.0/99' }, 'not a network'],
    [{ range: 'everything' }, 'not a network'],
  ])('%j is refused', (wanted, rule) => expect(ruleOf(wanted)).toContain(rule));

  test('any text is taken or refused by name', () => {
    const text = fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.constant('10.90.0.9'));
    const property = fc.property(
      text,
      text,
      fc.oneof(text, fc.constant(wide)),
      fc.double(),
      (own, peer, range, mtu) => {
        try {
          checkAddresses({ own, peer, range, mtu }, host);
        } catch (error) {
          expect(error).toBeInstanceOf(TunnelError);
        }
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });
});

test('resolvers of resolv.conf', () => {
  const text = '# nameserver 1.1.1.1\nnameserver 10.0.0.53\n nameserver fe80::1%eth0\nnameserver nobody\nsearch x\n';
  expect(resolversIn(text)).toEqual(['10.0.0.53', 'fe80::1']);
});
