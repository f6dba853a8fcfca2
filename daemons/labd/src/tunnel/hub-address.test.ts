import { errorOf } from '@labmesh/wire/testing/errors';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { newNodeToken, type NodeGround, openNodeGround, registration } from '../nodes/testing/node-ground.ts';
import { keysOf, RememberingTunnel } from '../nodes/testing/remembering-tunnel.ts';
import { parseAddressRange } from '../settings/address-range.ts';
import { claimHubAddress } from './hub-address.ts';

const wide = parseAddressRange('10.90.0.0/16')!;
const dayMs = 86_400_000;
const claimAt = ({ store, clock }: NodeGround, replicaId: string, range = wide) =>
  claimHubAddress({ store, clock, range, replicaId });
const joinAt = async (ground: NodeGround, seed: number) => {
  const request = registration(await newNodeToken(ground), keysOf(seed));
  return (await ground.registry.register(request)).answer.wireguard_address;
};

describe('addresses of hubs (H6)', () => {
  let ground: NodeGround;
  beforeEach(async () => (ground = await openNodeGround({ tunnel: new RememberingTunnel() })));
  afterEach(() => ground[Symbol.asyncDispose]());
  const claim = (replicaId: string, range = wide) => claimAt(ground, replicaId, range);

  test('the first has the first, a second its own; each keeps it, and no node is given it', async () => {
    expect(await claim('a')).toBe('10.90.0.1');
    expect(await joinAt(ground, 1)).toBe('10.90.0.2/32');
    expect(await claim('b')).toBe('10.90.0.3');
    expect(await joinAt(ground, 2)).toBe('10.90.0.4/32');
    expect([await claim('a'), await claim('b')]).toEqual(['10.90.0.1', '10.90.0.3']);
  });

  test('one that is renewed stays; one that is not is free after a day', async () => {
    await claim('a');
    await claim('b');
    for (let hours = 0; hours < 30; hours++) {
      await ground.clock.advance(dayMs / 24);
      expect(await claim('b')).toBe('10.90.0.2');
    }
    // Somebody asks for an address: what rests too long is swept then.
    expect(await claim('c')).toBe('10.90.0.1');
    expect(await claim('a')).toBe('10.90.0.3');
  });

  test('nodes that fill the range do not keep the only hub from its place', async () => {
    await using full = await openNodeGround({ tunnel: new RememberingTunnel(), range: '10.93.0.0/30' });
    expect(await joinAt(full, 1)).toBe('10.93.0.2/32');
    expect(await claimAt(full, 'a', parseAddressRange('10.93.0.0/30'))).toBe('10.93.0.1');
  });

  test('another range brings another address; a full one is refused', async () => {
    await claim('a');
    expect(await claim('a', parseAddressRange('10.91.0.0/30'))).toBe('10.91.0.1');
    const small = parseAddressRange('10.92.0.0/30');
    expect([await claim('b', small), await claim('c', small)]).toEqual(['10.92.0.1', '10.92.0.2']);
    expect(await errorOf(claim('d', small))).toMatchObject({ code: 'CONFLICT' });
  });
});

test.skipIf(postgresAvailable() !== undefined)(
  'ten hubs that start at once on one database have ten addresses (needs PostgreSQL)',
  async () => {
    await using postgres = await startPostgres();
    await using ground = await openNodeGround({ url: postgres.url, tunnel: new RememberingTunnel() });
    const names = Array.from({ length: 10 }, (_, n) => `replica-${n}`);
    const all = () => Promise.all(names.map((name) => claimAt(ground, name)));
    const first = await all();
    expect(new Set(first).size).toBe(10);
    expect(first).toContain('10.90.0.1');
    expect(await all()).toEqual(first);
  },
  120_000,
);
