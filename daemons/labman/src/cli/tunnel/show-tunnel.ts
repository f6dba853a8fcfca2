/** `labman tunnel show`: the device, its addresses and routes as the kernel has them, also where only labmand can look. */
import { showEndpoint } from '@labmesh/tunnel/named-endpoint';
import { type SeenDevice, seenDeviceSchema, type ShownInterface } from '../../admin/seen-device.ts';
import { askLabmand } from '../ask-labmand.ts';
import { json, type Verb } from '../verb.ts';

function interfaceLines({
  index,
  name,
  kind,
  alias,
  mtu,
  up,
  addresses,
  routes,
  isForwarding,
}: ShownInterface): string[] {
  const mark = alias === '' ? '' : `, mark ${alias}`;
  const forwarding = isForwarding ? ', FORWARDING' : '';
  return [
    `${name} (${index}) ${kind === '' ? 'no kind' : kind}${mark}, ${up ? 'up' : 'down'}, MTU ${mtu}${forwarding}`,
    ...addresses.map(({ address, prefix, peer }) => {
      const far = peer === address ? '' : ` peer ${peer}`;
      return `  address  ${address}/${prefix}${far}`;
    }),
    ...routes.map((route) => `  route    ${route}`),
  ];
}

export function seenDeviceText({ name, isolation, inside, host, peers }: SeenDevice): string {
  const place = inside === null ? `on the host (isolation ${isolation})` : 'in a network namespace of its own';
  const lines = [
    `${name} is ${place}`,
    ...(inside ?? host).flatMap(interfaceLines),
    ...peers.map(({ publicKey, address, endpoint, keepaliveS, lastHandshake }) => {
      const at = endpoint === null ? 'nowhere yet' : showEndpoint(endpoint);
      const shaken = lastHandshake === null ? 'no handshake' : `handshake ${lastHandshake}`;
      return `peer ${publicKey} ${address ?? 'without address'} at ${at}, keepalive ${keepaliveS} s, ${shaken}`;
    }),
  ];
  if (inside === null && host.length === 0) lines.push('no interface of that name is there');
  if (inside !== null) {
    const none = [`the host has no ${name}`];
    lines.push(...(host.length === 0 ? none : ['on the host:', ...host.flatMap(interfaceLines)]));
  }
  return `${lines.join('\n')}\n`;
}

export const show: Verb = async ({ flags, print }) => {
  const seen = await askLabmand(flags.socket, { path: '/tunnel/device', output: seenDeviceSchema });
  print(flags.json ? json(seen) : seenDeviceText(seen));
  return 0;
};
