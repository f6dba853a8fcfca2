/**
 * A node dies at each step of the change of its WireGuard pair (tunnel K8), over real daemons. It goes on by itself each time,
 * and one key is left at both ends:
 *
 *     made beside the old ─✗─▶ the hub answers both ─✗─▶ the own one on disk, no handshake by it yet ─✗─▶ the only one
 */
import { expect, test } from 'bun:test';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseWireguardKey, wireguardPublicKey } from '@labmesh/tunnel/keys/wireguard-keys';
import { UapiControl } from '@labmesh/wireguard/uapi/uapi-control';
import { waitFor } from './harness/fleet/look.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import {
  dropAt,
  dropNothing,
  tunnelBackends,
  TunnelLab,
  tunnelLabMissing,
} from './harness/tunnel-daemons/tunnel-lab.ts';
import { labman } from './harness/tunnel/labman-command.ts';

const testMs = 300_000;
/** Registrations that come too often wait for a minute (H1); more is the load of this machine. */
const stepMs = 90_000;
const startTries = 10;
const quick = ['heartbeat_s = 1'];

const nextKeyFile = (site: SiteNode) => join(site.stateDir, 'wg.key.next');
/** The private key alone is the pair: its public half is written after it, and anew at each start. */
function keyOf(site: SiteNode, name: 'wg.key' | 'wg.key.next'): string {
  const privateKey = parseWireguardKey(readFileSync(join(site.stateDir, name), 'utf8'));
  if (privateKey === undefined) throw new Error(`${name} holds no key`);
  return Buffer.from(wireguardPublicKey(privateKey)).toString('base64');
}
const keysAtHub = async (lab: TunnelLab, { name }: SiteNode) => {
  const { wireguardPublicKey: own, nextWireguardPublicKey: next } = (await lab.peer(name)) ?? {};
  return { own, next };
};

/** Its unit waits 5 s before it starts it again; wireguard-go's own service is back by then. */
async function comesBack(site: SiteNode): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await site.start();
    } catch (error) {
      if (tries === startTries) throw error;
      await Bun.sleep(500);
    }
  }
}

/** The hub has its Rosenpass key by then. Gives WireGuard's that is made and, at most, on its way. */
async function diesOnceMade(lab: TunnelLab, site: SiteNode): Promise<string> {
  const { stdout } = await labman(site, ['tunnel', 'rotate']);
  const [sha256 = ''] = /sha256:[0-9a-f]{64}/.exec(stdout) ?? [];
  await lab.labctl('tunnel', 'trust', site.name, sha256, '--yes');
  const rotating = labman(site, ['tunnel', 'rotate']);
  await waitFor(() => existsSync(nextKeyFile(site)), stepMs);
  await site.end('SIGKILL');
  expect((await rotating).exitCode).not.toBe(0);
  return keyOf(site, 'wg.key.next');
}

/** Taken up by itself. What the node does before it changes over takes a second and an exchange. */
async function diesOnceAnnounced(lab: TunnelLab, site: SiteNode, made: string): Promise<void> {
  await comesBack(site);
  await waitFor(async () => Object.values(await keysAtHub(lab, site)).includes(made), stepMs);
  await site.end('SIGKILL');
  console.log(`${lab.backend}: killed while it waits there still:`, existsSync(nextKeyFile(site)));
}

/** No handshake gets through meanwhile: the hub answers both until it has seen one by the new. */
async function diesOncePromoted(lab: TunnelLab, site: SiteNode, was: string, made: string): Promise<void> {
  await lab.run('conplane', 'nft', dropAt('udp dport 51820'));
  await comesBack(site);
  await waitFor(() => !existsSync(nextKeyFile(site)), stepMs);
  await site.end('SIGKILL');
  expect(keyOf(site, 'wg.key')).toBe(made);
  expect(await keysAtHub(lab, site)).toEqual({ own: was, next: made });
}

/** Peers that the interfaces of both hosts have; our own data plane tells nobody. */
async function peersInDevices(lab: TunnelLab, site: SiteNode): Promise<string[][]> {
  if (lab.backend === 'native') return [];
  const keysOf = async (name: string) => {
    using control = new UapiControl(name);
    return (await control.read()).peers.map(({ publicKey }) => Buffer.from(publicKey).toString('base64'));
  };
  return Promise.all([lab.interfaceName, site.settings.interfaceName].map(keysOf));
}

async function oneKeyIsLeft(lab: TunnelLab, site: SiteNode, made: string): Promise<void> {
  await site.untilActive(stepMs);
  await waitFor(async () => (await keysAtHub(lab, site)).own === made, stepMs);
  const { peers, wireguardPublicKey: hub } = await lab.view();
  expect(peers).toMatchObject([{ name: site.name, pq: 'active', wireguardPublicKey: made }]);
  expect(peers[0]).not.toHaveProperty('nextWireguardPublicKey');
  expect(await peersInDevices(lab, site)).toEqual(lab.backend === 'native' ? [] : [[made], [hub]]);
  expect(await site.status()).toMatchObject({ wireguardPublicKey: made });
  expect(readdirSync(site.stateDir).filter((name) => name.includes('.next'))).toEqual([]);
  expect(readFileSync(join(site.stateDir, 'wg.pub'), 'utf8').trim()).toBe(made);
  expect((await site.exchange()).ok).toBe(true);
  expect(await lab.reach(peers[0]?.address ?? '', stepMs)).toBeGreaterThanOrEqual(0);
}

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  test.concurrent.skipIf(missing !== undefined)(
    `${backend}: a node is killed at each step of the change of its WireGuard pair${missing === undefined ? '' : ` (needs ${missing})`}`,
    async () => {
      await using lab = await TunnelLab.open(backend, ['site-a'], quick);
      const site = await lab.join('site-a');
      await site.start();
      await site.untilActive(stepMs);
      const was = keyOf(site, 'wg.key');
      const made = await diesOnceMade(lab, site);
      expect(made).not.toBe(was);
      await diesOnceAnnounced(lab, site, made);
      await diesOncePromoted(lab, site, was, made);
      await comesBack(site);
      expect(await lab.reach((await lab.peer(site.name))?.address ?? '', 1_000)).toBe(-1);
      await lab.run('conplane', 'nft', dropNothing);
      await oneKeyIsLeft(lab, site, made);
    },
    testMs,
  );
}
