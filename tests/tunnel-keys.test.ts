/**
 * Keys that changed, and secrets that stay secret (tunnel P3, K1, K5, K6, N6, R9): nobody is let in by another key before an
 * operator has looked; no key is found in anything said or written, no port but the proxy, no daemon without its rights.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exposedIn } from '@labmesh/wireguard/isolation/exposed-sockets';
import { UapiControl } from '@labmesh/wireguard/uapi/uapi-control';
import { expect, test } from 'bun:test';
import { waitFor } from './harness/fleet/look.ts';
import { run } from './harness/start-labd.ts';
import { filesBelow, secretTraces } from './harness/tunnel-daemons/secret-traces.ts';
import type { SiteNode } from './harness/tunnel-daemons/site-node.ts';
import { tunnelBackends, TunnelLab, tunnelLabMissing } from './harness/tunnel-daemons/tunnel-lab.ts';

const testMs = 120_000;
/** The next try of a node that was refused, and a session. */
const letInMs = 40_000;
const keyFiles = ['wg.key', 'wg.pub', 'pqsk', 'pqpk'];
const quick = ['heartbeat_s = 1'];
/** Where the secrets themselves are. */
const secretFiles = ['wg.key', 'pqsk', 'node.token', 'exchanged.psk'];
const missingRights = 5;
const unfitKeys = 3;

const loseKeys = (folder: string) => keyFiles.forEach((name) => rmSync(join(folder, name)));

type Keys = { rosenpassSha256: string; wireguardPublicKey: string };
const keysOf = async (site: SiteNode): Promise<Keys> =>
  JSON.parse((await site.labman('tunnel', 'fingerprint', '--json', '--state-dir', site.stateDir)).stdout) as Keys;

async function isLetIn(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  expect(await lab.reach(address, letInMs)).toBeGreaterThanOrEqual(0);
  await site.untilActive();
  await waitFor(async () => (await site.labman('tunnel', 'status', '--check')).exitCode === 0, letInMs);
}

/** K6. */
async function nodeKeyChanges(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const before = await keysOf(site);
  await site.end('SIGTERM');
  loseKeys(site.stateDir);
  await site.start();
  const { rosenpassSha256: shown } = await keysOf(site);
  expect(shown).not.toBe(before.rosenpassSha256);
  const refused = await site.daemon.says('the keys of this node changed');
  expect(refused).toContain(`labctl tunnel trust ${site.name} ${shown}`);
  expect(await lab.reach(address, 3_000)).toBe(-1);
  expect((await lab.peer(site.name))?.rosenpassSha256).toBe(before.rosenpassSha256);
  await lab.labctl('tunnel', 'trust', site.name, shown, '--yes');
  await isLetIn(lab, site, address);
  const audit = JSON.stringify(await lab.labd.call('GET', '/api/audit?limit=500'));
  for (const key of [shown, before.rosenpassSha256]) expect(audit).toContain(key);
}

/** K5, K8. A hub that lost its files has two other keys: Rosenpass's is let in, and an exchange by it vouches for WireGuard's. */
async function hubKeysChange(lab: TunnelLab, site: SiteNode, address: string): Promise<void> {
  const before = await lab.view();
  await lab.endHub('SIGTERM');
  loseKeys(join(lab.folder, 'hub/data/tunnel'));
  await lab.startHub();
  const { rosenpassSha256, wireguardPublicKey } = await lab.view();
  expect([rosenpassSha256, wireguardPublicKey]).not.toContain(before.rosenpassSha256);
  await site.daemon.says('state=pin_mismatch', letInMs);
  const warns = /WARNING +not registered: pin_mismatch, the hub shows/;
  await waitFor(async () => warns.test((await site.labman('tunnel', 'status')).stdout), letInMs);
  expect(await lab.reach(address, 0)).toBe(-1);
  await waitFor(() => site.daemon.said.includes(`labman tunnel trust ${rosenpassSha256}`), letInMs);
  expect((await site.labman('tunnel', 'trust', rosenpassSha256)).exitCode).toBe(0);
  await isLetIn(lab, site, address);
  expect((await site.status())?.peers[0]?.wireguardPublicKey).toBe(wireguardPublicKey);
  // It knows the hub by them from now on.
  await site.end('SIGTERM');
  await site.start();
  await isLetIn(lab, site, address);
}

/** PSKs as wireguard-go has them now. */
async function presharedKeys(name: string, what: string): Promise<Record<string, Uint8Array>> {
  using control = new UapiControl(name);
  const { peers } = await control.read();
  const keys = peers.map(({ presharedKey }, at) => [`${what} ${at}`, presharedKey.slice()] as const);
  return Object.fromEntries(keys.filter(([, key]) => key.some((byte) => byte !== 0)));
}

const keysIn = (folder: string, whose: string): Record<string, Uint8Array> => ({
  [`WireGuard key of ${whose}`]: Buffer.from(readFileSync(join(folder, 'wg.key'), 'utf8'), 'base64'),
  [`Rosenpass key of ${whose}`]: readFileSync(join(folder, 'pqsk')),
});

/** Everything that commands print of the tunnel. */
async function saidByCommands(lab: TunnelLab, site: SiteNode): Promise<Record<string, string>> {
  const said: Record<string, string> = {};
  for (const words of [['status'], ['status', '--json'], ['exchange', '--json'], ['show', '--json'], ['check']]) {
    const { stdout, stderr } = await site.labman('tunnel', ...words);
    said[`labman tunnel ${words.join(' ')}`] = stdout + stderr;
  }
  for (const words of [
    ['tunnel', 'status'],
    ['tunnel', 'show', site.name],
    ['describe', `node/${site.name}`],
  ]) {
    said[`labctl ${words.join(' ')}`] = await lab.labctl(...words, '-o', 'json');
  }
  for (const path of ['/api/audit?limit=500', '/api/tunnel', '/api/nodes']) {
    said[path] = JSON.stringify(await lab.labd.call('GET', path));
  }
  return said;
}

/** Our own data plane tells nobody; the site also writes what was exchanged for another program (X5), which both ends have. */
const keyOut = 'exchanged.psk';

function withKeyOut({ config, settings: { folder } }: SiteNode): void {
  const line = `key_out = "${join(folder, keyOut)}"\n`;
  const table = '[labman.wireguard.rosenpass]\n';
  const written = readFileSync(config, 'utf8');
  expect(written).toContain(table);
  writeFileSync(config, written.replace(table, `${table}${line}`));
}

async function secretsOf(lab: TunnelLab, site: SiteNode): Promise<Record<string, Uint8Array>> {
  const written = (when: string) => ({
    [`PSK of both ${when}`]: Buffer.from(readFileSync(join(site.settings.folder, keyOut), 'utf8'), 'base64'),
  });
  const psks = async (when: string) =>
    lab.backend === 'native'
      ? written(when)
      : {
          ...written(when),
          ...(await presharedKeys(lab.interfaceName, `PSK of the hub ${when}`)),
          ...(await presharedKeys(site.settings.interfaceName, `PSK of the site ${when}`)),
        };
  const first = await psks('at first');
  expect((await site.labman('tunnel', 'exchange')).exitCode).toBe(0);
  const token = readFileSync(join(site.settings.folder, 'node.token'), 'utf8').trim();
  return {
    ...first,
    ...(await psks('later')),
    ...keysIn(join(lab.folder, 'hub/data/tunnel'), 'the hub'),
    ...keysIn(site.stateDir, 'the site'),
    // Its secret alone: 43 characters, `_` may be among them.
    token: Buffer.from(token.slice(-43)),
  };
}

const listening = (text: string) =>
  [...text.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A /gm)].map(([, , port = '']) =>
    Number.parseInt(port, 16),
  );

/** P3: what listens on a site's host. */
function openSockets(site: SiteNode) {
  const read = (name: string) => readFileSync(`/proc/${site.daemon.pid}/net/${name}`, 'utf8');
  return {
    exposed: (['tcp', 'tcp6', 'udp', 'udp6'] as const).flatMap((name) =>
      exposedIn(read(name), name.startsWith('tcp') ? 'tcp' : 'udp'),
    ),
    local: [...listening(read('tcp')), ...listening(read('tcp6'))].length,
  };
}

/** N6: with all rights but these. */
async function startWithout(site: SiteNode, right: string) {
  const drop = ['setpriv', '--bounding-set', `-${right}`, '--inh-caps', `-${right}`];
  return run(site.command(...drop), site.options);
}

/** R9, P3. */
async function tellsNoSecret(lab: TunnelLab, site: SiteNode): Promise<void> {
  const secrets = await secretsOf(lab, site);
  const said = await saidByCommands(lab, site);
  const { exposed, local } = openSockets(site);
  // wireguard-go's own socket stands on all addresses.
  const strangers = exposed.filter(({ protocol }) => lab.backend === 'native' || protocol !== 'udp');
  expect(strangers).toEqual([]);
  // Metrics, and the engine of this test.
  expect(local).toBe(2);
  await site.end('SIGTERM');
  chmodSync(join(site.stateDir, 'wg.key'), 0o640);
  const refused = await run(site.command(), site.options);
  expect([refused.exitCode, refused.stderr]).toEqual([
    unfitKeys,
    expect.stringContaining('expected mode 0600, found 0640; run chmod 600'),
  ]);
  const texts = {
    ...said,
    ...filesBelow(join(lab.folder, 'hub'), secretFiles),
    ...filesBelow(site.settings.folder, secretFiles),
    'labd’s log': lab.labd.daemon.said,
    'labmand’s log': site.said + refused.stderr,
  };
  expect(Object.keys(secrets).length).toBeGreaterThanOrEqual(lab.backend === 'native' ? 7 : 11);
  const values = Object.values(secrets).map((secret) => Buffer.from(secret).toString('hex'));
  expect(values.every((value) => value.length > 0)).toBe(true);
  expect(Object.keys(texts).some((name) => name.endsWith('labd.db'))).toBe(true);
  expect(secretTraces(secrets, texts)).toEqual([]);
  // And it would be found.
  for (const form of ['hex', 'base64', 'base64url', 'latin1'] as const) {
    const planted = { log: `x ${Buffer.from(secrets['WireGuard key of the site'] ?? '').toString(form)} y` };
    expect(secretTraces(secrets, planted)).toEqual(['WireGuard key of the site in log']);
  }
}

for (const backend of tunnelBackends) {
  const missing = tunnelLabMissing(backend);
  const needs = missing === undefined ? '' : ` (needs ${missing})`;
  const story = (
    name: string,
    steps: (lab: TunnelLab, site: SiteNode) => Promise<void>,
    prepare: (site: SiteNode) => void = () => undefined,
  ) =>
    test.concurrent.skipIf(missing !== undefined)(
      `${backend}: ${name}${needs}`,
      async () => {
        await using lab = await TunnelLab.open(backend, ['site-a'], quick);
        const site = await lab.join('site-a');
        prepare(site);
        await site.start();
        await site.untilActive();
        await steps(lab, site);
      },
      testMs,
    );

  story('other keys of a site, then of the hub, are refused until they are let in', async (lab, site) => {
    const address = (await lab.peer('site-a'))?.address ?? '';
    await nodeKeyChanges(lab, site, address);
    await hubKeysChange(lab, site, address);
  });
  story('no secret in logs, status, store or files; no port but the proxy inside', tellsNoSecret, withKeyOut);
}

const missing =
  tunnelLabMissing('native') ?? (Bun.which('setpriv') === null ? 'setpriv (Debian package util-linux)' : undefined);
test.concurrent.skipIf(missing !== undefined)(
  `native: without a right labmand ends with 5 and names it, at its first start and later${missing === undefined ? '' : ` (needs ${missing})`}`,
  async () => {
    await using lab = await TunnelLab.open('native', ['site-a', 'site-b'], quick);
    const site = await lab.join('site-a');
    const fenced = await lab.join('site-b', { wireguard: ['isolation = "netns"'] });
    const told = async (one: SiteNode, right: string) => {
      const { exitCode, stderr } = await startWithout(one, right);
      expect([exitCode, stderr]).toEqual([missingRights, expect.stringContaining(`CAP_${right.toUpperCase()}`)]);
      expect(stderr).toContain('AmbientCapabilities=');
      expect(stderr).toContain('--cap-add');
    };
    await told(site, 'net_admin');
    await told(fenced, 'sys_admin');
    await site.start();
    await site.untilActive();
    await site.end('SIGTERM');
    await told(site, 'net_admin');
  },
  testMs,
);
