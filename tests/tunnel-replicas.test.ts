/**
 * Two replicas of labd on one database, each with a hub of its own (tunnel H6): own address, own keys, own nodes, and a
 * restart keeps them apart.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CreatedNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import type { TunnelView } from '@labmesh/wire/tunnel';
import { expect, test } from 'bun:test';
import { type NetworkLab, openNetworkLab } from './harness/network-lab.ts';
import { environment, placed, run, type RunningLabd, startLabd } from './harness/start-labd.ts';
import { postgresAvailable, startPostgres } from './harness/start-postgres.ts';
import { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { proxyPort, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const clientProgram = new URL('./harness/tunnel-daemons/hub-client.ts', import.meta.url).pathname;
const tag = randomBytes(2).toString('hex');
const reachMs = 15_000;

type Ground = { lab: NetworkLab; folder: string; databaseUrl: string };

function startHub({ lab, folder, databaseUrl }: Ground, host: string): Promise<RunningLabd> {
  const address = lab.address(host);
  const toml = [
    '[conplane]',
    `listen = "${address}:3102"`,
    `url = "https://${address}:3102"`,
    'heartbeat_s = 1',
    '[conplane.tunnel]',
    'enabled = true',
    `listen = ["${address}"]`,
    `endpoint = "${address}"`,
    'backend = "native"',
  ].join('\n');
  const sharedKeyFile = join(folder, 'kek.key');
  return startLabd({ place: { lab, host }, toml, folder: join(folder, host), databaseUrl, sharedKeyFile });
}

async function joinAt({ lab, folder }: Ground, labd: RunningLabd, host: string): Promise<SiteNode> {
  const made = await labd.labctl('node', 'token', 'create', '--name', host, '-o', 'json', '--local');
  const { onboarding, prefix } = JSON.parse(made.stdout) as CreatedNodeToken;
  const site = await SiteNode.join({
    name: host,
    backend: 'native',
    interfaceName: `n-${host.at(-1)}-${tag}`,
    folder: join(folder, host),
    place: { lab, host },
    engine: { tokens: 4, tokenDelayMs: 0 },
    onboarding,
    tokenPrefix: prefix,
  });
  await site.start();
  await site.untilActive();
  return site;
}

async function reaches({ lab, folder }: Ground, host: string, address: string, withinMs: number): Promise<number> {
  const url = `http://${address}:${proxyPort}/v1/models`;
  const command = placed([process.execPath, clientProgram, 'reach', url, String(withinMs)], { lab, host });
  const { stdout } = await run(command, { cwd: folder, env: environment(folder) });
  return (JSON.parse(stdout) as { ms: number }).ms;
}

const viewOf = (labd: RunningLabd) => labd.call<TunnelView>('GET', '/api/tunnel');

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
