import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { isTrustDomain, leafKinds, parseSpiffeId, spiffeId } from './spiffe-id.ts';

test('an identity comes back as it was written (CA-4)', () => {
  const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
  const domain = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'));
  const id = fc.oneof(fc.uuid(), fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,40}[A-Za-z0-9])?$/));
  fc.assert(
    fc.property(domain, fc.constantFrom(...leafKinds), id, (trustDomain, kind, name) => {
      expect(parseSpiffeId(spiffeId(trustDomain, kind, name))).toEqual({ trustDomain, kind, id: name });
    }),
  );
});

test('any text parses to what writes the same text, or not at all', () => {
  const near = fc
    .tuple(fc.constantFrom('spiffe://', 'SPIFFE://', 'spiffe:'), fc.string(), fc.constantFrom('/', '//'), fc.string())
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.oneof(fc.string(), near), (uri) => {
      const parsed = parseSpiffeId(uri);
      if (parsed !== undefined) expect(spiffeId(parsed.trustDomain, parsed.kind, parsed.id)).toBe(uri);
    }),
  );
});

test.each([
  'spiffe://labmesh.internal/node/x',
  'spiffe://labmesh.internal/agent/',
  'spiffe://labmesh.internal/agent/x/y',
  'spiffe://labmesh.internal/agent/x?y',
  'spiffe://labmesh.internal/agent/..',
  'spiffe://labmesh.internal/agent/%61',
  'spiffe://labmesh.internal:443/agent/x',
  'spiffe://user@labmesh.internal/agent/x',
  'spiffe://LABMESH.internal/agent/x',
  'spiffe:///agent/x',
  `spiffe://labmesh.internal/agent/${'x'.repeat(600)}`,
])('%s is no identity', (uri) => {
  expect(parseSpiffeId(uri)).toBeUndefined();
});

test('parts that could not be read back are not written', () => {
  expect(() => spiffeId('labmesh.internal', 'agent', 'a/b')).toThrow(RangeError);
  expect(() => spiffeId('no domain', 'agent', 'a')).toThrow(RangeError);
  expect(isTrustDomain('a..b')).toBe(false);
  expect(isTrustDomain('lab')).toBe(true);
});
