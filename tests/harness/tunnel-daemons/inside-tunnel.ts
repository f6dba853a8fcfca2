/** A node that turned hostile: commands on its own side of the tunnel, with all rights there. */
import { readdirSync, readlinkSync } from 'node:fs';
import type { SiteNode } from './site-node.ts';

/** The namespace that labmand holds for its interface, as a path. @throws Error without one */
function tunnelNamespace(pid: number): string {
  const folder = `/proc/${pid}/fd`;
  const home = readlinkSync(`/proc/${pid}/ns/net`);
  for (const name of readdirSync(folder)) {
    const path = `${folder}/${name}`;
    const target = linkAt(path);
    if (target.startsWith('net:[') && target !== home) return path;
  }
  throw new Error('labmand holds no network namespace');
}

/** Files come and go while they are looked at. */
function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** The command line that runs `argv` beside the interface of a site. */
export const insideTunnel = (site: SiteNode, argv: readonly string[]): string[] => [
  'nsenter',
  `--net=${tunnelNamespace(site.daemon.pid)}`,
  '--',
  ...argv,
];
