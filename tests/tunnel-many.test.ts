/**
 * Many sites that start at one moment at one hub (tunnel H5, A13): all are registered, exchanged with and reached; later all
 * exchange at once.
 *
 *     LABMESH_SITES=50 bun test tests/tunnel-many.test.ts --timeout 1800000
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { writeRosenpassKeys } from '@labmesh/tunnel/keys/rosenpass-keys';
import { expect, test } from 'bun:test';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const sites = Number(process.env['LABMESH_SITES'] ?? 4);
/** Half a minute, and for each site what a process costs on a busy machine. */
const startMs = 30_000 + sites * 6_000;
const exchangeMs = 10_000;
const testMs = 60_000 + sites * 30_000;
const atOnce = 4;

/** A few at a time. */
async function eachOf<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  const queue = items.entries();
  const run = async () => {
    for (const [at, item] of queue) done[at] = await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
  return done;
}

/** Keys that were made before: what is measured is the hub. */
function giveKeys({ stateDir }: SiteNode): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const pair = generateKeyPair((bytes) => new Uint8Array(randomBytes(bytes)), 'pc');
  writeRosenpassKeys({ privateKeyPath: join(stateDir, 'pqsk'), publicKeyPath: join(stateDir, 'pqpk') }, pair);
}

/** Looked at seldom: a hundred processes share this machine. */
async function seen(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + startMs; performance.now() < end; await Bun.sleep(500)) if (await isSo()) return;
  throw new Error('it did not come to be');
}

const spread = (times: readonly number[]) => {
  const sorted = times.toSorted((one, two) => one - two);
  const at = (share: number) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? -1);
  return { first: at(0), median: at(0.5), last: at(1) };
};

const missing = tunnelLabMissing('native');
test.skipIf(missing !== undefined)(
  `native: ${sites} sites register and exchange at once${missing === undefined ? '' : ` (needs ${missing})`}`,
  async () => {
    const names = Array.from({ length: sites }, (_, n) => `site-${n}`);
    await using lab = await TunnelLab.open('native', names);
    const joined = await eachOf(names, (name) => lab.join(name));
    for (const site of joined) giveKeys(site);
    const begun = performance.now();
    const activeAfter = await Promise.all(
      joined.map(async (site) => {
        await site.start(startMs);
        await seen(async () => (await site.hub())?.pq === 'active');
        return performance.now() - begun;
      }),
    );
    await seen(async () => (await lab.view()).peers.filter(({ pq }) => pq === 'active').length === sites);
    const { peers } = await lab.view();
    expect(new Set(peers.map(({ address }) => address)).size).toBe(sites);
    expect(new Set(peers.map(({ rosenpassSha256 }) => rosenpassSha256)).size).toBe(sites);

    const before = new Map(peers.map(({ name, exchanges }) => [name, exchanges]));
    const askedAt = performance.now();
    const results = await Promise.all(joined.map((site) => site.exchange()));
    const inTime = results.filter(({ ok }) => ok);
    // Who was not served within its ten seconds goes on trying, and is.
    const isServed = ({ name, exchanges }: (typeof peers)[number]) => exchanges > (before.get(name) ?? 0);
    await seen(async () => (await lab.view()).peers.every(isServed));
    const served = performance.now() - askedAt;

    const reached = await eachOf(peers, ({ address }) => lab.reach(address, exchangeMs));
    expect(reached.filter((ms) => ms < 0)).toEqual([]);
    const { queue, drops, peers: after } = await lab.view();
    const failures = after.flatMap((peer) =>
      Object.entries(peer.failures).map(([reason, count]) => `${reason} ${count}`),
    );
    const exchanges = { inTime: inTime.length, ...spread(inTime.map(({ tookMs }) => tookMs ?? -1)), allMs: served };
    console.log(`${sites} sites, ms:`, { active: spread(activeAfter), exchanges, queue, drops, failures });
  },
  testMs,
);
