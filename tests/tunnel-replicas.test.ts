/**
 * Two replicas of labd on one database, each with a hub of its own (tunnel H6): own address, own keys, own nodes, and a
 * restart keeps them apart. How one reaches the other's nodes: tunnel-relay.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import { openNetworkLab } from './harness/network-lab.ts';
import { startPostgres, postgresAvailable } from './harness/start-postgres.ts';
import { joinAt, reaches, startHub, viewOf } from './harness/tunnel-daemons/hub-pair.ts';
import { tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const reachMs = 15_000;

const missing = tunnelLabMissing('native') ?? postgresAvailable();
test.skipIf(missing !== undefined)(
  `native: two hubs on one database have two addresses, keys and nodes${missing === undefined ? '' : ` (needs ${missing})`}`,
  async () => {
    await using stack = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), 'labmesh-hubs-'));
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const lab = stack.use(await openNetworkLab(['hub-a', 'hub-b', 'db', 'site-a', 'site-b']));
    const postgres = stack.use(await startPostgres({ place: { lab, host: 'db' } }));
    const ground = { lab, folder, databaseUrl: postgres.url };
    const hubs = [stack.use(await startHub(ground, 'hub-a')), stack.use(await startHub(ground, 'hub-b'))] as const;
    const views = await Promise.all(hubs.map(viewOf));
    expect(views.map(({ address }) => address)).toEqual(['10.90.0.1', '10.90.0.2']);
    expect(new Set(views.flatMap((view) => [view.wireguardPublicKey, view.rosenpassSha256])).size).toBe(4);

    const sites = [
      stack.use(await joinAt(ground, hubs[0], 'site-a')),
      stack.use(await joinAt(ground, hubs[1], 'site-b')),
    ] as const;
    const own = await Promise.all(sites.map(async (site) => (await site.status())?.address ?? ''));
    expect(own.toSorted()).toEqual(['10.90.0.3', '10.90.0.4']);
    expect(await Promise.all(sites.map(async (site) => (await site.hub())?.address))).toEqual([
      '10.90.0.1',
      '10.90.0.2',
    ]);
    for (const [at, host] of ['hub-a', 'hub-b'].entries()) {
      expect(await reaches(ground, host, own[at] ?? '', reachMs)).toBeGreaterThanOrEqual(0);
      expect(await reaches(ground, host, own[1 - at] ?? '', reachMs)).toBeGreaterThanOrEqual(0);
    }
    const names = async () => (await Promise.all(hubs.map(viewOf))).map(({ peers }) => peers.map(({ name }) => name));
    expect(await names()).toEqual([['site-a'], ['site-b']]);

    // The first goes and comes back: nobody took its place.
    hubs[0].daemon.signal('SIGTERM');
    await hubs[0].daemon.exited;
    const again = stack.use(await startHub(ground, 'hub-a'));
    expect((await viewOf(again)).address).toBe('10.90.0.1');
    expect(await reaches(ground, 'hub-a', own[0] ?? '', reachMs * 2)).toBeGreaterThanOrEqual(0);
  },
  180_000,
);
