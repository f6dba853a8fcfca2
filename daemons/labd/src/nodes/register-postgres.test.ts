import { expect, test } from 'bun:test';
import { postgresAvailable, startPostgres } from '../../../../tests/harness/start-postgres.ts';
import { newNodeToken, openNodeGround, registration } from './testing/node-ground.ts';
import { keysOf, RememberingTunnel } from './testing/remembering-tunnel.ts';

const missing = postgresAvailable();

test.skipIf(missing !== undefined)(
  'H5: 50 nodes at once on three replicas have 50 addresses, each of three tries the same (needs PostgreSQL)',
  async () => {
    await using postgres = await startPostgres();
    await using ground = await openNodeGround({ url: postgres.url, tunnel: new RememberingTunnel() });
    const replicas = [ground, ground.replica('replica-2'), ground.replica('replica-3')];
    const requests = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => registration(await newNodeToken(ground), keysOf(n))),
    );
    const all = (shift: number) =>
      Promise.all(
        requests.map(async (request, n) => {
          const { registry } = replicas[(n + shift) % 3] ?? ground;
          const { answer } = await registry.register(request);
          return `${answer.node_id} ${answer.wireguard_address}`;
        }),
      );
    const first = await all(0);
    expect(new Set(first.map((text) => text.split(' ')[1])).size).toBe(50);
    expect(new Set(first.map((text) => text.split(' ')[0])).size).toBe(50);
    expect(await all(1)).toEqual(first);
    expect(await all(2)).toEqual(first);
  },
  120_000,
);
