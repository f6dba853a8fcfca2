/** Set-ups that are broken, each in one way (tunnel A17). */
import { chmodSync, copyFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SiteNode } from '../tunnel-daemons/site-node.ts';
import { dropAt, dropNothing, type TunnelLab } from '../tunnel-daemons/tunnel-lab.ts';

/** What breaks a set-up, what it is called then, and what mends it. */
export type Breakage = {
  what: string;
  name: string;
  detail?: RegExp;
  fix: RegExp;
  /** Before `labman`, on its command line. */
  around?: readonly string[];
  /** Breaks it; gives how it is made whole. */
  breakIt?: (site: SiteNode, lab: TunnelLab) => void | (() => unknown) | Promise<void | (() => unknown)>;
  /** Labmand runs meanwhile. */
  running?: boolean;
  verb?: readonly string[];
};

const keyFile = (site: SiteNode, name: string) => join(site.stateDir, name);
/** Changes settings until they are put back. */
function settings(site: SiteNode, change: (toml: string) => string): () => void {
  const toml = readFileSync(site.config, 'utf8');
  const changed = change(toml);
  if (changed === toml) throw new Error('the settings are as they were');
  writeFileSync(site.config, changed);
  return () => writeFileSync(site.config, toml);
}
const inTable = (line: string) => (site: SiteNode) =>
  settings(site, (toml) => toml.replace('[labman.wireguard]\n', (table) => `${table}${line}\n`));
/** Keeps a copy of a key file until it is put back. */
function keyBroken(name: string, change: (path: string) => void) {
  return (site: SiteNode) => {
    const path = keyFile(site, name);
    copyFileSync(path, `${path}.kept`);
    change(path);
    return () => {
      rmSync(path, { recursive: true, force: true });
      copyFileSync(`${path}.kept`, path);
      chmodSync(path, 0o600);
    };
  };
}
const without = (right: string) => ['setpriv', '--bounding-set', `-${right}`, '--inh-caps', `-${right}`];
const dropping = (port: number) => async (_: SiteNode, lab: TunnelLab) => {
  await lab.run('conplane', 'nft', dropAt(`udp dport ${port}`));
  return () => lab.run('conplane', 'nft', dropNothing);
};

/** A Conplane whose clock is an hour ahead, on the site's own loopback. */
async function clockAhead(site: SiteNode): Promise<() => void> {
  const url = 'http://127.0.0.1:3199/api/v1';
  const program = `require('node:http').createServer((_, a) => { a.sendDate = false;
    a.writeHead(404, { date: new Date(Date.now() + 3600000).toUTCString() }); a.end(); }).listen(3199, '127.0.0.1', () => console.log('up'))`;
  const { lab, host } = site.settings.place;
  const child = Bun.spawn(lab.command(host, [process.execPath, '-e', program]), { stdout: 'pipe' });
  await child.stdout.getReader().read();
  const restore = settings(site, (toml) =>
    toml.replace(/base_url = "https:[^"]*"/, `base_url = "${url}"`).replace(/ca_sha256 = .*/, ''),
  );
  return () => {
    restore();
    child.kill('SIGKILL');
  };
}

const noTun = ['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /dev/net && exec "$@"', 'sh'];
const rosenpass = 'Rosenpass key';

export const breakages: readonly Breakage[] = [
  {
    what: 'the right to make interfaces is missing',
    name: 'rights',
    fix: /AmbientCapabilities=CAP_NET_ADMIN.*--cap-add NET_ADMIN/,
    around: without('net_admin'),
  },
  {
    what: '/dev/net/tun is missing',
    name: 'tun device',
    detail: /ENOENT/,
    fix: /modprobe tun.*--device \/dev\/net\/tun/,
    around: noTun,
  },
  {
    what: 'somebody else has our interface’s name',
    name: 'interface',
    detail: /not ours/,
    fix: /interface_name/,
    breakIt: async ({ name, settings: { interfaceName } }, lab) => {
      await lab.run(name, 'ip', 'link', 'add', interfaceName, 'type', 'veth', 'peer', 'other');
      return () => lab.run(name, 'ip', 'link', 'del', interfaceName);
    },
  },
  {
    what: 'no isolation is possible',
    name: 'isolation',
    detail: /netns: .*EPERM/,
    fix: /CAP_SYS_ADMIN/,
    around: without('sys_admin'),
    breakIt: inTable('isolation = "netns"'),
  },
  {
    what: 'UDP 9999 is dropped',
    name: 'Rosenpass UDP',
    detail: /ROSENPASS_TIMEOUT/,
    fix: /open UDP 9999 at the hub/,
    running: true,
    breakIt: dropping(9_999),
  },
  {
    what: 'UDP 51820 is dropped',
    name: 'WireGuard UDP',
    detail: /no handshake/,
    fix: /open UDP 51820 at the hub/,
    running: true,
    breakIt: async (site, lab) => {
      await site.end('SIGTERM');
      await lab.run('conplane', 'nft', dropAt('udp dport 51820'));
      await site.start();
      return () => lab.run('conplane', 'nft', dropNothing);
    },
  },
  { what: 'the clock is wrong', name: 'clock', detail: /60 min behind/, fix: /set-ntp true/, breakIt: clockAhead },
  {
    what: 'the secret key can be read by others',
    name: rosenpass,
    detail: /0644/,
    fix: /chmod 600 .*pqsk/,
    breakIt: keyBroken('pqsk', (path) => chmodSync(path, 0o644)),
  },
  {
    what: 'the secret key has a wrong length',
    name: rosenpass,
    detail: /expected 13568 or 13608 bytes, found 13000/,
    fix: /put the right file/,
    breakIt: keyBroken('pqsk', (path) => truncateSync(path, 13_000)),
  },
  {
    what: 'half of the key pair is missing',
    name: rosenpass,
    detail: /pqpk is not/,
    fix: /put it back/,
    breakIt: keyBroken('pqpk', (path) => rmSync(path)),
  },
  {
    what: 'the halves of the key pair are of different pairs',
    name: rosenpass,
    detail: /different pairs/,
    fix: /labctl tunnel trust/,
    breakIt: (site) =>
      keyBroken('pqpk', (path) => {
        const keys = keyFile(site, 'keys');
        const own = readFileSync(path);
        const hub = readdirSync(keys).find((name) => !readFileSync(join(keys, name)).equals(own)) ?? '';
        copyFileSync(join(keys, hub), path);
      })(site),
  },
  {
    what: 'the hub is not the pinned one',
    name: 'pins',
    detail: /pinned is sha256:0{64}/,
    fix: /labman tunnel trust sha256:/,
    breakIt: (site) =>
      settings(site, (toml) => toml.replace(/peer_sha256 = "[^"]*"/, `peer_sha256 = "sha256:${'0'.repeat(64)}"`)),
  },
  {
    what: 'the address is outside the range',
    name: 'address',
    detail: /outside wireguard.range \(10\.91\.0\.0\/16\)/,
    fix: /conplane\.range/,
    breakIt: inTable('range = "10.91.0.0/16"'),
  },
  {
    what: 'no Conplane answers',
    name: 'Conplane',
    detail: /ECONNREFUSED/,
    fix: /is labd up.*TCP 10\.99\.0\.1:1/,
    breakIt: (site) => settings(site, (toml) => toml.replace(':3102', ':1')),
  },
  {
    what: 'another Conplane answers',
    name: 'Conplane',
    detail: /does not have the CA/,
    fix: /labctl ca status/,
    breakIt: (site) => settings(site, (toml) => toml.replace(/ca_sha256 = "[^"]*"/, `ca_sha256 = "${'0'.repeat(64)}"`)),
  },
  {
    what: 'the hub’s name does not resolve',
    name: 'WireGuard UDP',
    detail: /does not resolve/,
    fix: /resolver/,
    breakIt: (site) =>
      nodeJson(site, '"wireguardEndpoint": "[^"]*"', '"wireguardEndpoint": "no-such-hub.invalid:51820"'),
  },
  {
    what: 'there is no way to the hub',
    name: 'WireGuard UDP',
    detail: /ENETUNREACH/,
    fix: /ip route get 203/,
    breakIt: (site) => nodeJson(site, '"wireguardEndpoint": "[^"]*"', '"wireguardEndpoint": "203.0.113.9:51820"'),
  },
  {
    what: 'the settings cannot be read',
    name: 'settings',
    detail: /keepalive_s/,
    fix: /./,
    breakIt: inTable('keepalive_s = 0'),
  },
  {
    what: 'the port of the metrics is taken',
    name: 'telemetry.metrics_port',
    detail: /EADDRINUSE/,
    fix: /another port/,
    verb: ['pre'],
    breakIt: async (site, lab) => (await lab.serve(site.name, 9_090), undefined),
  },
];

function nodeJson(site: SiteNode, from: string, to: string): () => void {
  const path = keyFile(site, 'node.json');
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace(new RegExp(from), to));
  return () => writeFileSync(path, text);
}
