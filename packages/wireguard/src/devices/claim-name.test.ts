import { thrower } from '@labmesh/wire/testing/errors';
import { expect, test } from 'bun:test';
import { errnos } from '../ffi/libc.ts';
import { MessageWriter } from '../netlink/message-writer.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import type { NetlinkExchange } from '../netlink/netlink-socket.ts';
import type { DeviceConfig, DeviceRole } from '../tunnel-device.ts';
import { claimName } from './claim-name.ts';
import { kernelBackend } from './kernel-backend.ts';
import type { LinkBackend } from './link-backend.ts';
import { wireguardGoBackend } from './wireguard-go-backend.ts';

const node: DeviceRole = { kind: 'node', hubAddress: '10.90.0.1', proxyPort: 8080 };
const hub: DeviceRole = { kind: 'hub' };
const alias = 'labmesh:labman';
const go = (isUnused: boolean): LinkBackend => ({ ...wireguardGoBackend, isUnused: async () => isUnused });
const native: LinkBackend = { ...kernelBackend, name: 'native', kind: 'tun', bornOutside: false };

function configOf(role: DeviceRole): DeviceConfig {
  const [name, address, range] = ['labman0', '10.90.0.2', '10.90.0.0/16'];
  return { name, alias, role, address, range, mtu: 1420, privateKey: new Uint8Array(32), isolation: 'filter' };
}

/** A kernel with this interface, or with none. */
function kernelWith(link: { kind: string; alias: string } | undefined): NetlinkExchange {
  return {
    exchange: (operation) => {
      if (link === undefined) throw new NetlinkError(operation, errnos.ENODEV);
      const writer = new MessageWriter();
      writer.u32(0).u32(7).u32(1).u32(0).attributeText(3, 'labman0').attributeU32(4, 1500);
      writer.nest(18, () => writer.attributeText(1, link.kind)).attributeText(20, link.alias);
      return [{ type: 16, flags: 0, seq: 1, payload: writer.finish() }];
    },
  };
}

test.each<[LinkBackend, { kind: string; alias: string } | undefined, DeviceRole, string]>([
  [kernelBackend, undefined, node, 'free'],
  [kernelBackend, { kind: 'wireguard', alias }, node, 'leftover'],
  [kernelBackend, { kind: 'wireguard', alias }, hub, 'take, peers stay'],
  [kernelBackend, { kind: 'tun', alias }, hub, 'leftover'],
  [kernelBackend, { kind: 'wireguard', alias: '' }, node, 'TUNNEL_NAME_TAKEN'],
  [kernelBackend, { kind: 'wireguard', alias: 'labmesh:labd' }, hub, 'TUNNEL_NAME_TAKEN'],
  [kernelBackend, { kind: '', alias: '' }, node, 'TUNNEL_NAME_TAKEN'],
  [native, undefined, hub, 'free'],
  [native, { kind: 'tun', alias }, hub, 'leftover'],
  [native, { kind: 'wireguard', alias }, node, 'leftover'],
  [native, { kind: 'tun', alias: '' }, node, 'TUNNEL_NAME_TAKEN'],
  [go(true), undefined, node, 'TUNNEL_BACKEND_MISSING'],
  [go(true), { kind: 'tun', alias: '' }, node, 'take'],
  [go(false), { kind: 'tun', alias: '' }, node, 'TUNNEL_NAME_TAKEN'],
  [go(true), { kind: 'bridge', alias: '' }, node, 'TUNNEL_NAME_TAKEN'],
  [go(true), { kind: 'tun', alias: 'labmesh:labd' }, node, 'TUNNEL_NAME_TAKEN'],
  [go(true), { kind: 'wireguard', alias }, node, 'TUNNEL_NAME_TAKEN'],
  [go(false), { kind: 'tun', alias }, node, 'take'],
  [go(false), { kind: 'tun', alias }, hub, 'take, peers stay'],
])('%# a name with what bears it', async (backend, link, role, expected) => {
  const claimed = await claimName(configOf(role), backend, kernelWith(link)).then(
    (claim) => (claim.kind === 'take' && claim.keepPeers ? 'take, peers stay' : claim.kind),
    ({ code, exitCode }: { code: string; exitCode: number }) => {
      expect(exitCode).toBe(code === 'TUNNEL_NAME_TAKEN' ? 6 : 5);
      return code;
    },
  );
  expect(claimed).toBe(expected);
});

test('a taken name says whose it is and the way out', async () => {
  const claiming = claimName(configOf(node), kernelBackend, kernelWith({ kind: 'bridge', alias: 'docker' }));
  expect(await thrower(claiming)).toThrow(
    "labman0 is an interface of kind bridge marked 'docker', not ours (labmesh:labman); choose another interface_name, or remove it yourself: ip link delete labman0",
  );
});
