/** Everything of a host's network that a tunnel must leave as it was, as text (spec tunnel.md I7). */
import type { TunnelHost } from './tunnel-host.ts';

/** Counters and tables that move by themselves. */
const moving =
  /^(?:net\.netfilter\.nf_conntrack_(?:count|buckets|max)|net\.ipv[46]\.(?:route|neigh\.default)\.gc_|net\.ipv4\.tcp_fastopen_key|net\.ipv6\.conf\.\S+\.stable_secret)/;

export type HostSnapshot = Record<'routes' | 'rules' | 'tables' | 'settings' | 'addresses' | 'resolver', string>;

/** @param own lines that name this interface or this nf_tables table (or the one kept for it) are left out. */
export async function takeSnapshot(host: TunnelHost, own?: { name: string; table: string }): Promise<HostSnapshot> {
  const namesOwn = (line: string) => own !== undefined && new RegExp(`\\b${own.name}\\b`).test(line);
  const lines = (text: string) =>
    text
      .split('\n')
      .filter((line) => !namesOwn(line) && !moving.test(line))
      .join('\n');
  const run = async (...argv: string[]) => lines(await host.run(...argv));
  const ruleset = await host.run('nft', 'list', 'ruleset');
  return {
    routes:
      (await run('ip', 'route', 'show', 'table', 'all')) + (await run('ip', '-6', 'route', 'show', 'table', 'all')),
    rules: (await run('ip', 'rule')) + (await run('ip', '-6', 'rule')),
    tables: own === undefined ? ruleset : withoutTable(ruleset, own.table),
    settings: await run('sh', '-c', 'sysctl -a 2>/dev/null | grep "^net\\."'),
    addresses: await run('sh', '-c', 'ip -brief address | sort'),
    resolver: await run('cat', '/etc/resolv.conf'),
  };
}

function withoutTable(ruleset: string, table: string): string {
  return ruleset.replace(new RegExp(`table inet ${table}(?:-kept)? \\{[^]*?\\n\\}\\n`, 'g'), '');
}
