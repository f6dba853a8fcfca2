/** Scans through a tunnel from the host behind it, by packets of our own making. */
import { addresses, proxyPort } from './tunnel-site.ts';
import type { TunnelHost } from './tunnel-host.ts';

const program = new URL('./packet-scanner.ts', import.meta.url).pathname;

export type Scan = {
  from: TunnelHost;
  /** Tunnel interface of that host. */
  by: string;
  sources: readonly string[];
  targets: readonly string[];
  protocol: 'tcp' | 'udp';
  ports: 'all' | readonly number[];
  /** Paced by the node's proxy, which must answer the first source (`packet-scanner.ts`). */
  paced?: boolean;
};

/** `open` as `ADDRESS:PORT`. */
export type ScanResult = { open: string[]; closed: number; sent: number };

export async function scanPorts(scan: Scan): Promise<ScanResult> {
  const { from, by, sources, targets, protocol, ports, paced = true } = scan;
  const which = ports === 'all' ? ports : ports.join(',');
  const marker = paced ? [addresses.nodeTunnel, String(proxyPort)] : [];
  const argv = [by, sources.join(','), targets.join(','), protocol, which, ...marker];
  return JSON.parse(await from.run(process.execPath, program, ...argv)) as ScanResult;
}
