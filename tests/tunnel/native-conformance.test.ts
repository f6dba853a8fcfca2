/** The native device by the suite of all devices (spec tunnel.md A6): a node in its namespace, a hub behind its filter. */
import { type DevicePair, describeDevices } from '@labmesh/wireguard/devices/testing/device-conformance';
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import type { IsolationKind } from '@labmesh/wireguard/tunnel-device';
import { runInside } from '../harness/tunnel-device/inside-device.ts';
import type { TunnelHost } from '../harness/tunnel-site/tunnel-host.ts';
import { addresses, hubPort, proxyPort, TunnelSite, tunnelSiteMissing } from '../harness/tunnel-site/tunnel-site.ts';

/** Interfaces and tables of a host that are ours. */
async function remains(host: TunnelHost): Promise<string[]> {
  const links = (await host.run('ip', '-o', 'link')).match(/\b(?:labman|labhub)\d+\b/g) ?? [];
  const tables = (await host.run('nft', 'list', 'tables')).match(/inet (?:labman|labhub)\S*/g) ?? [];
  return [...links, ...tables];
}

async function openPair(isolation: IsolationKind): Promise<DevicePair> {
  const site = await TunnelSite.open(1);
  const node = await site.nodeDevice('native', isolation);
  const hub = await site.hubDevice('native');
  await node.open();
  await hub.open();
  await node.ask('serve', {});
  const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
  return {
    node,
    hub,
    nodeKey: publicKeyOf(node.config.privateKey),
    hubKey: publicKeyOf(hub.config.privateKey),
    hubEndpoint: { address: addresses.hub, port: hubPort },
    reach: async (withinMs) => {
      const call = ['curl', '--silent', '--output', '/dev/null', '--max-time', '1', url];
      for (const end = Date.now() + withinMs; Date.now() < end;) {
        const answered = await runInside(hub, ...call).then(
          () => true,
          () => false,
        );
        if (answered) return true;
      }
      return false;
    },
    leftovers: async () => [...(await remains(site.node)), ...(await remains(site.hub))],
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

const missing = tunnelSiteMissing() ?? (Bun.which('curl') === null ? 'curl' : undefined);
describeDevices('native, netns', () => openPair('netns'), missing);
describeDevices('native, filter', () => openPair('filter'), missing);
