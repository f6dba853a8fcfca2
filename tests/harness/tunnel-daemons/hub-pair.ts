/** Several replicas of labd on one database, each on a host of its own with a hub of its own, and sites that join at one. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CreatedNodeToken } from '@labmesh/wire/fleet/resources/nodes';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { NetworkLab } from '../network-lab.ts';
import { environment, placed, run, type RunningLabd, startLabd } from '../start-labd.ts';
import { SiteNode } from './site-node.ts';
import { proxyPort } from './tunnel-lab.ts';

const clientProgram = new URL('./hub-client.ts', import.meta.url).pathname;
const tag = randomBytes(2).toString('hex');

export type HubGround = { lab: NetworkLab; folder: string; databaseUrl: string };

export function startHub({ lab, folder, databaseUrl }: HubGround, host: string): Promise<RunningLabd> {
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

async function newToken(labd: RunningLabd, ...words: string[]): Promise<CreatedNodeToken> {
  const made = await labd.labctl('node', 'token', ...words, '-o', 'json', '--local');
  return JSON.parse(made.stdout) as CreatedNodeToken;
}

export async function joinAt({ lab, folder }: HubGround, labd: RunningLabd, host: string): Promise<SiteNode> {
  const { onboarding, prefix } = await newToken(labd, 'create', '--name', host);
  const site = await SiteNode.join({
    name: host,
    backend: 'native',
    interfaceName: `n-${host.at(-1)}-${tag}`,
    folder: join(folder, host),
    place: { lab, host },
    engine: { tokens: 40, tokenDelayMs: 10 },
    onboarding,
    tokenPrefix: prefix,
  });
  await site.start();
  await site.untilActive(60_000);
  return site;
}

/**
 * As an operator moves a site to another replica: another token for the same node, made there, and what it names. `SIGKILL`: as
 * if the site's machine had lost its power before; nobody is told.
 */
export async function moveTo(
  labd: RunningLabd,
  site: SiteNode,
  signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM',
): Promise<void> {
  const { onboarding, token } = await newToken(labd, 'rotate', site.settings.tokenPrefix);
  const body = Buffer.from(onboarding.split(':')[2] ?? '', 'base64url').toString();
  const told = JSON.parse(body) as { url: string; wg_public_key: string; rp_sha256: string };
  await site.end(signal);
  const line = (text: string, key: string, value: string) =>
    text.replace(new RegExp(`^${key} = .*$`, 'm'), `${key} = "${value}"`);
  const old = readFileSync(site.config, 'utf8');
  const withUrl = line(old, 'base_url', `${told.url.replace(/\/$/, '')}/api/v1`);
  const withKey = line(withUrl, 'peer_public_key', told.wg_public_key);
  writeFileSync(site.config, line(withKey, 'peer_sha256', told.rp_sha256));
  writeFileSync(join(dirname(site.config), 'node.token'), `${token}\n`);
  await site.start();
}

/** What hub-client.ts tells, run on that host. */
export async function asClient<T>({ lab, folder }: HubGround, host: string, ...words: string[]): Promise<T> {
  const command = placed([process.execPath, clientProgram, ...words], { lab, host });
  const { stdout, stderr } = await run(command, { cwd: folder, env: environment(folder) });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as T;
}

/** Ms until the node at that address answered a process of that host; −1: it did not in time. */
export async function reaches(ground: HubGround, host: string, address: string, withinMs: number): Promise<number> {
  const url = `http://${address}:${proxyPort}/v1/models`;
  return (await asClient<{ ms: number }>(ground, host, 'reach', url, String(withinMs))).ms;
}

export const viewOf = (labd: RunningLabd) => labd.call<TunnelView>('GET', '/api/tunnel');
