import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { Handshakes, placeOf } from './handshakes.ts';

const socket = (name: string) => ({ name });

test('an address that fills the door makes room for others, and not for itself', () => {
  const under = new Handshakes<{ name: string }>({ max: 4, slowMs: 1_000 });
  const silent = ['a', 'b', 'c', 'd'].map(socket);
  for (const [at, one] of silent.entries()) expect(under.add(one, '192.0.2.1', at)).toBeUndefined();
  const again = socket('e');
  expect(under.add(again, '192.0.2.1', 10)).toBe(again);
  expect(under.add(socket('good'), '192.0.2.9', 11)).toBe(silent[0]);
  expect(under.add(socket('good too'), '192.0.2.10', 12)).toBe(silent[1]);
  expect(under.size).toBe(4);
  // Two of the silent one are left: it holds most.
  expect(under.add(socket('and this'), '192.0.2.11', 13)).toBe(silent[2]);
  // All hold one: the newest waits.
  const late = socket('late');
  expect(under.add(late, '192.0.2.11', 14)).toBe(late);
  expect(under.add(socket('slow ones go'), '192.0.2.11', 1_100)).toBe(silent[3]);
});

test('the bound holds whatever comes, and nobody is ended for an address that holds more', () => {
  const step = fc.record({ place: fc.integer({ min: 1, max: 4 }), ends: fc.boolean(), lateMs: fc.nat(400) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const under = new Handshakes<{ place: number; since: number }>({ max: 6, slowMs: 1_000 });
      const open = new Set<{ place: number; since: number }>();
      const held = (place: number) => [...open].filter((one) => one.place === place).length;
      let now = 0;
      for (const { place, ends, lateMs } of steps) {
        now += lateMs;
        const [first] = open;
        if (ends && first !== undefined) {
          under.delete(first);
          open.delete(first);
        }
        const one = { place, since: now };
        const victim = under.add(one, `10.0.0.${place}`, now);
        if (victim !== undefined && victim !== one) {
          const isSlow = now - victim.since >= 1_000;
          expect(isSlow || held(victim.place) > held(place)).toBe(true);
          open.delete(victim);
        }
        if (victim !== one) open.add(one);
        expect(under.size).toBe(open.size);
        expect(open.size).toBeLessThanOrEqual(6);
      }
    }),
  );
});

test('an IPv4 address, written either way, and the /64 of an IPv6 one', () => {
  expect(placeOf('::ffff:192.0.2.1')).toBe(placeOf('192.0.2.1'));
  expect(placeOf('2001:db8:1:2:aaaa::1')).toBe(placeOf('2001:db8:1:2::9'));
  expect(placeOf('2001:db8::1')).toBe(placeOf('2001:db8:0:0:1:2:3:4'));
  expect(placeOf('2001:db8:1:3::1')).not.toBe(placeOf('2001:db8:1:2::1'));
  fc.assert(fc.property(fc.ipV6(), (address) => typeof placeOf(address) === 'string'));
});
