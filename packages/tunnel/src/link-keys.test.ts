import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { type LinkClaim, LinkKeys } from './link-keys.ts';

const [one, two] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
const keys: LinkClaim = ['next hub key', one, two];
const key = (fill: number) => new Uint8Array(32).fill(fill);

describe('proofs of a link', () => {
  test('are good at the other end of the same exchange, for these keys in this order alone', () => {
    const [hub, node] = [new LinkKeys(), new LinkKeys()];
    expect(hub.prove(keys, 0)).toBeUndefined();
    hub.add(key(1), 0);
    node.add(key(1), 0);
    const proof = hub.prove(keys, 1_000) ?? '';
    expect(proof).toMatch(/^[0-9a-f]{64}$/);
    expect(node.isProven(keys, proof, 1_000)).toBe(true);
    expect(node.isProven(['next hub key', one, one], proof, 1_000)).toBe(false);
    expect(node.isProven(['next hub key', two, one], proof, 1_000)).toBe(false);
  });

  test('a hub that lags two exchanges behind is believed, one that lags three is not', () => {
    const [hub, node] = [new LinkKeys(), new LinkKeys()];
    hub.add(key(1), 0);
    for (const fill of [1, 2, 3]) node.add(key(fill), 0);
    const proof = hub.prove(keys, 0) ?? '';
    expect(node.isProven(keys, proof, 0)).toBe(true);
    node.add(key(4), 0);
    expect(node.isProven(keys, proof, 0)).toBe(false);
  });

  test('of an exchange that ended before another began prove nothing after that one', () => {
    const [hub, node] = [new LinkKeys(), new LinkKeys()];
    for (const link of [hub, node]) link.add(key(1), 0);
    const recorded = hub.prove(keys, 0) ?? '';
    for (const link of [hub, node]) link.add(key(2), 1_000);
    expect(node.isProven(keys, recorded, 1_000)).toBe(true);
    expect(node.isProven(keys, recorded, 1_000, 500)).toBe(false);
    expect(node.isProven(keys, hub.prove(keys, 1_000) ?? '', 1_000, 500)).toBe(true);
  });

  test('end 180 s after the exchange, and with another pair; the bytes are wiped', () => {
    const [hub, node] = [new LinkKeys(), new LinkKeys()];
    const [kept, forgotten] = [key(7), key(7)];
    hub.add(kept, 0);
    node.add(forgotten, 0);
    const proof = hub.prove(keys, 179_999) ?? '';
    expect(node.isProven(keys, proof, 179_999)).toBe(true);
    expect(hub.prove(keys, 180_000)).toBeUndefined();
    expect(kept).toEqual(key(0));
    node.clear();
    expect(node.isProven(keys, proof, 0)).toBe(false);
    expect(forgotten).toEqual(key(0));
  });

  test('whatever else is told is none, and nothing throws', () => {
    const node = new LinkKeys();
    node.add(key(1), 0);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
        ),
        (proof) => {
          expect(node.isProven(keys, proof, 0)).toBe(false);
        },
      ),
    );
  });
});
