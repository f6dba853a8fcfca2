import { describe, expect, test } from 'bun:test';
import { tokenScopeSchema } from '@labmesh/wire/fleet/tokens';
import fc from 'fast-check';
import { isInNetworks, outsideScope } from './token-scope.ts';

const joiner = { hostname: 'web-1.rack', macs: ['52:54:00:00:00:01'], sourceIp: '10.1.2.3' };
const outside = (scope: object, more: object = {}) =>
  outsideScope(tokenScopeSchema.parse(scope), { ...joiner, ...more });

describe('scope of a token (JT-2)', () => {
  test('host name patterns', () => {
    expect(outside({ hostname: 'web-*' })).toBeUndefined();
    expect(outside({ hostname: 'WEB-1.rack' })).toBeUndefined();
    expect(outside({ hostname: 'db-*' })).toBe('hostname');
    expect(outside({ hostname: 'web-1' })).toBe('hostname');
  });

  test('MACs: one of the machine’s has to be one of the token’s', () => {
    expect(outside({ macs: ['52-54-00-00-00-01', '52:54:00:00:00:02'] })).toBeUndefined();
    expect(outside({ macs: ['52:54:00:00:00:02'] })).toBe('macs');
    expect(outside({ macs: ['52:54:00:00:00:01'] }, { macs: [] })).toBe('macs');
  });

  test('networks of either family, single addresses, IPv4 in IPv6 clothes', () => {
    expect(outside({ cidrs: ['10.0.0.0/8'] })).toBeUndefined();
    expect(outside({ cidrs: ['10.0.0.0/8'] }, { sourceIp: '::ffff:10.1.2.3' })).toBeUndefined();
    expect(outside({ cidrs: ['192.0.2.7'] }, { sourceIp: '192.0.2.7' })).toBeUndefined();
    expect(outside({ cidrs: ['fd00::/8'] }, { sourceIp: 'fd12::1' })).toBeUndefined();
    expect(outside({ cidrs: ['fe80::/10'] }, { sourceIp: 'fe80::1%eth0' })).toBeUndefined();
    expect(outside({ cidrs: ['192.168.0.0/16', 'fd00::/8'] })).toBe('cidrs');
    expect(outside({ cidrs: ['0.0.0.0/0'] }, { sourceIp: 'fd12::1' })).toBe('cidrs');
  });

  test('what is no address is in no network', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 50 }), (text) => {
        fc.pre(!/^[0-9a-f.:%]+$/i.test(text));
        expect(isInNetworks(text, ['0.0.0.0/0', '::/0'])).toBe(false);
      }),
    );
  });

  test('an IPv4 network holds exactly the addresses with its prefix', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (base, address, length) => {
        const bits = (ip: string) =>
          ip
            .split('.')
            .map((part) => Number(part).toString(2).padStart(8, '0'))
            .join('');
        const inside = bits(base).slice(0, length) === bits(address).slice(0, length);
        expect(isInNetworks(address, [`${base}/${length}`])).toBe(inside);
      }),
    );
  });
});
