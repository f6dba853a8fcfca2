/** Every backend passes the one suite of devices, between two hosts (spec tunnel.md R3, A6). */
import { publicKeyOf } from '@labmesh/wireguard/noise/x25519';
import { type DevicePair, describeDevices } from '@labmesh/wireguard/devices/testing/device-conformance';
import type { IsolationKind } from '@labmesh/wireguard/tunnel-device';
import type { DeviceBackend } from '../harness/tunnel-device/device-wire.ts';
import { isolationCases, siteMissing } from '../harness/tunnel-site/isolation-matrix.ts';
import type { TunnelHost } from '../harness/tunnel-site/tunnel-host.ts';
import { addresses, hubPort, proxyPort, TunnelSite } from '../harness/tunnel-site/tunnel-site.ts';

const tryMs = 1_000;

/** What a host still has of a device of ours. */
async function leftovers(host: TunnelHost, name: string): Promise<string[]> {
  const links = await host.run('ip', '-oneline', 'link');
  const tables = await host.run('nft', 'list', 'tables');
  const sockets = await host.run('ls', '/run/wireguard');
  return [
    ...(links.includes(name) ? [`${host.name}: interface ${name}`] : []),
    ...(/labman|labhub/.test(tables) ? [`${host.name}: ${tables.trim()}`] : []),
    ...(sockets === '' ? [] : [`${host.name}: socket ${sockets.trim()}`]),
  ];
}

async function openPair(backend: DeviceBackend, isolation: IsolationKind): Promise<DevicePair> {
  await using opening = new AsyncDisposableStack();
  const site = opening.use(await TunnelSite.open(0));
  const node = await site.nodeDevice(backend, isolation);
  const hub = await site.hubDevice(backend);
  await node.open();
  await hub.open();
  await node.ask('serve', {});
  const url = `http://${addresses.nodeTunnel}:${proxyPort}/`;
  const ask = () => site.hub.run('curl', '-s', '-m', String(tryMs / 1_000), url).catch(() => '');
  const owned = opening.move();
  return {
    node,
    hub,
    nodeKey: publicKeyOf(node.config.privateKey),
    hubKey: publicKeyOf(hub.config.privateKey),
    hubEndpoint: { address: addresses.hub, port: hubPort },
    reach: async (withinMs) => {
      for (const end = performance.now() + withinMs; performance.now() < end; await Bun.sleep(50)) {
        if ((await ask()) === 'proxy') return true;
      }
      return false;
    },
    leftovers: async () => [...(await leftovers(site.node, 'labman0')), ...(await leftovers(site.hub, 'labhub0'))],
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

// Our own data plane has a suite of its own.
for (const { backend, isolation } of isolationCases.filter(({ backend }) => backend !== 'native')) {
  describeDevices(`${backend}, ${isolation}`, () => openPair(backend, isolation), siteMissing);
}
