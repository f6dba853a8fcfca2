import { describe, expect, test } from 'bun:test';
import { decodeFrame } from '@labmesh/wire/frame/codec';
import { system } from '@labmesh/wire/fleet/principal';
import fc from 'fast-check';
import { BadFirst, encodeFirst, parsePeerFirst, type PeerFirst } from './first-frame.ts';
import { execOpen } from './testing/relay-world.ts';

const principal = system('tunnel-relay');
const agentId = '0198a5a0-0000-7000-8000-000000000001';

function sent(first: PeerFirst): unknown {
  const frame = decodeFrame(encodeFirst(7, first));
  return frame?.type === 'open' ? frame.body : undefined;
}

describe('RP-1, tunnel H6: the first frame between replicas', () => {
  test('names an agent and what it is to do, or a node and nothing else', () => {
    const node: PeerFirst = { type: 'node', principal, address: '10.90.0.3' };
    expect(parsePeerFirst(sent(node))).toEqual(node);
    expect(sent(node)).toEqual({ principal, node: '10.90.0.3' });
    const agent = parsePeerFirst(sent({ type: 'peer', principal, agentId, first: { type: 'open', open: execOpen } }));
    expect(agent).toMatchObject({ type: 'peer', agentId, first: { type: 'open' } });
  });

  test.each<[string, Record<string, unknown>]>([
    ['nothing', {}],
    ['a node and an agent’s OPEN', { node: '10.90.0.3', agentId, open: execOpen }],
    ['a node and a RESUME', { node: '10.90.0.3', resume: {} }],
    ['an OPEN for nobody', { open: execOpen }],
    ['a name for an address', { node: 'db.internal' }],
    ['an address with a port', { node: '10.90.0.3:22' }],
    ['IPv6', { node: '::1' }],
    ['a network', { node: '10.90.0.0/16' }],
    ['another way to write one', { node: '0x0a.90.0.3' }],
    ['a number', { node: 173_670_403 }],
  ])('is refused with %s', (_what, body) => {
    expect(() => parsePeerFirst({ principal, ...body })).toThrow(BadFirst);
  });

  test('whatever comes is parsed or refused, and an address is dotted and whole', () => {
    const any = fc.record(
      {
        principal: fc.oneof(fc.constant(principal), fc.anything()),
        agentId: fc.oneof(fc.constant(agentId), fc.anything()),
        open: fc.anything(),
        resume: fc.anything(),
        node: fc.oneof(fc.ipV4(), fc.ipV6(), fc.string(), fc.anything()),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(any, (body) => {
        try {
          const first = parsePeerFirst(body);
          if (first.type === 'node') expect(first.address).toMatch(/^\d{1,3}(\.\d{1,3}){3}$/);
        } catch (error) {
          expect(error).toBeInstanceOf(BadFirst);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
