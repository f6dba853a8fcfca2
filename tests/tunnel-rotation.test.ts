/**
 * The hub changes its pairs of Rosenpass and WireGuard (tunnel K8), over real daemons: a stream goes on, whoever dies meanwhile goes on where it
 * was, and a site that was away all the time is told what to do. A node's own change is in labman-verbs.test.ts.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'bun:test';
import type { HubRotationView } from '@labmesh/wire/tunnel';
import { waitFor } from './harness/fleet/look.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { tunnelBackends, TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const testMs = 480_000;
/** A heartbeat each second, a look of the hub each five; more is the load of this machine. */
const stepMs = 90_000;
/** A session that was lost takes 4.4 s at least to heal (Q5); what is less is the load of this machine. */
const breakMs = 3_000;
const dayMs = 86_400_000;
const quick = ['heartbeat_s = 1'];
/** Lasts over the whole change. */
const engine = { tokens: 100, tokenDelayMs: 200 };

const rotationFile = (lab: TunnelLab) => join(lab.folder, 'hub/data/tunnel/rotation.json');
const nextSecret = (lab: TunnelLab) => join(lab.folder, 'hub/data/tunnel/pqsk.next');
const phase = async (lab: TunnelLab) => (await lab.view()).rotation?.phase ?? 'none';
const rotate = async (lab: TunnelLab) =>
  JSON.parse(await lab.labctl('tunnel', 'rotate', '-o', 'json')) as HubRotationView;

type Pins = { hub: { wireguardPublicKey: string; rosenpassSha256: string; next?: { rosenpassSha256: string } } };
const pinsOf = (site: SiteNode) => (JSON.parse(readFileSync(join(site.stateDir, 'node.json'), 'utf8')) as Pins).hub;

async function joinActive(lab: TunnelLab, name: string): Promise<SiteNode> {
  const site = await lab.join(name, { engine });
  await site.start();
  await site.untilActive(stepMs);
  return site;
}

/** The whole way under a stream, with every site there. */
async function streamGoesOn(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const { rosenpassSha256: before, wireguardPublicKey: wireguard } = await lab.view();
  const secret = readFileSync(join(lab.folder, 'hub/data/tunnel/pqsk'));
  const reading = lab.chat(address);
  const { phase: begun, oldSha256, newSha256, newWireguardPublicKey: key = '' } = await rotate(lab);
  expect([begun, oldSha256]).toEqual(['announced', before]);
  await waitFor(async () => (await phase(lab)) === 'none', 2 * stepMs);
  const seen = await reading;
  console.log(`${lab.backend}: a stream while the hub’s keys rotate:`, seen);
  expect(seen).toMatchObject({ status: 200, isWhole: true });
  expect(seen.gapMs).toBeLessThan(breakMs);
  expect((await lab.view()).rosenpassSha256).toBe(newSha256);
  expect(pinsOf(site)).toMatchObject({ rosenpassSha256: newSha256, wireguardPublicKey: key });
  expect([(await lab.view()).wireguardPublicKey, (await site.hub())?.wireguardPublicKey]).toEqual([key, key]);
  expect(key).not.toBe(wireguard);
  expect(existsSync(join(lab.folder, 'hub/data/tunnel/wg.key.next'))).toBe(false);
  expect(existsSync(nextSecret(lab))).toBe(false);
  expect(readFileSync(join(lab.folder, 'hub/data/tunnel/pqsk')).equals(secret)).toBe(false);
  expect((await site.exchange()).ok).toBe(true);
  expect(site.said).not.toContain('traffic is cut');
  const audit = JSON.stringify(await lab.labd.call('GET', '/api/audit?limit=500'));
  for (const action of ['rotate-tunnel', 'tunnel.key-announced', 'tunnel.key-promoted', 'tunnel.key-deleted'])
    expect(audit).toContain(action);
}

/** labd dies; a day passes before it is there again. */
async function dayPasses(lab: TunnelLab, since: 'announcedAt' | 'promotedAt'): Promise<void> {
  await lab.endHub('SIGKILL');
  const path = rotationFile(lab);
  const record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number>;
  writeFileSync(path, JSON.stringify({ ...record, [since]: (record[since] ?? 0) - dayMs - 1_000 }));
  await lab.startHub();
}

/** Each step, with a daemon killed at it; `away` is ended. Gives the new fingerprint. */
async function daemonsDie(lab: TunnelLab, site: SiteNode, away: SiteNode): Promise<string> {
  const { newSha256 } = await rotate(lab);
  await waitFor(() => pinsOf(site).next?.rosenpassSha256 === newSha256, stepMs);
  await waitFor(async () => (await lab.view()).rotation?.waiting.join() === away.name, stepMs);
  expect(await lab.labctl('tunnel', 'status')).toContain(`waits for nodes that have not taken it: ${away.name}\n`);
  const refused = await lab.labd.labctl('tunnel', 'rotate', '--now', '--yes', '--local');
  expect([refused.exitCode === 0, refused.stderr]).toEqual([false, expect.stringContaining(away.name)]);
  await site.end('SIGKILL');
  await site.start();
  expect(pinsOf(site).next?.rosenpassSha256).toBe(newSha256);
  await dayPasses(lab, 'announcedAt');
  await waitFor(async () => (await phase(lab)) === 'promoted', stepMs);
  await waitFor(() => pinsOf(site).rosenpassSha256 === newSha256, stepMs);
  await site.untilActive(stepMs);
  expect((await site.exchange()).ok).toBe(true);
  // Nobody knows whether the one that is away is on the old key, which answers as long.
  expect(existsSync(nextSecret(lab))).toBe(true);
  await dayPasses(lab, 'promotedAt');
  await waitFor(async () => (await phase(lab)) === 'none', stepMs);
  expect([existsSync(nextSecret(lab)), existsSync(rotationFile(lab))]).toEqual([false, false]);
  await site.untilActive(stepMs);
  expect((await site.exchange()).ok).toBe(true);
  return newSha256;
}

/** Its key of the hub is a day too old: it does not answer, and the new one is let in by hand alone. */
async function awayComesBack(site: SiteNode, newSha256: string): Promise<void> {
  await site.start();
  const refused = await site.daemon.says('state=pin_mismatch', stepMs);
  expect(refused).toContain(`labman tunnel trust ${newSha256}`);
  const { ok } = await site.exchange();
  expect([ok, (await site.hub())?.exchanges]).toEqual([false, 0]);
  expect((await site.labman('tunnel', 'trust', newSha256)).exitCode).toBe(0);
  await site.untilActive(2 * stepMs);
}

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  // What dies and what lies on disk has to do with no device: once is enough.
  const isWhole = backend === 'native';
  const name = isWhole ? 'rotates; daemons die at each step; a site that was away too long' : 'rotates under a stream';
  test.concurrent.skipIf(missing !== undefined)(
    `${backend}: the hub’s key ${name}${missing === undefined ? '' : ` (needs ${missing})`}`,
    async () => {
      await using lab = await TunnelLab.open(backend, isWhole ? ['site-a', 'site-b'] : ['site-a'], quick);
      const site = await joinActive(lab, 'site-a');
      const away = isWhole ? await joinActive(lab, 'site-b') : undefined;
      await streamGoesOn(lab, site, (await lab.peer('site-a'))?.address ?? '');
      if (away === undefined) return;
      await away.end('SIGTERM');
      const newSha256 = await daemonsDie(lab, site, away);
      await awayComesBack(away, newSha256);
    },
    testMs,
  );
}
