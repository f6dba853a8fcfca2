/** The tunnel device as the kernel has it, where it lives and on the host (`labman tunnel show`). */
import { seeInterfaces } from '@labmesh/wireguard/devices/see-interfaces';
import type { TunnelDevice } from '@labmesh/wireguard/tunnel-device';
import { z } from 'zod';

const interfaceSchema = z.object({
  index: z.int(),
  name: z.string(),
  kind: z.string(),
  alias: z.string(),
  mtu: z.int(),
  up: z.boolean(),
  addresses: z.array(z.object({ address: z.string(), prefix: z.int(), peer: z.string() })),
  /** CIDR. */
  routes: z.array(z.string()),
  isForwarding: z.boolean(),
});
export type ShownInterface = z.infer<typeof interfaceSchema>;

export const seenDeviceSchema = z.object({
  name: z.string(),
  isolation: z.enum(['netns', 'filter', 'none']),
  /** All that is in the device's own network namespace; null when it lives in the host's. */
  inside: z.array(interfaceSchema).nullable(),
  /** What bears its name on the host. */
  host: z.array(interfaceSchema),
  /** As the device tells them; keys are public, base64. */
  peers: z.array(
    z.object({
      publicKey: z.string(),
      address: z.string().nullable(),
      endpoint: z.object({ address: z.string(), port: z.int() }).nullable(),
      keepaliveS: z.int(),
      lastHandshake: z.iso.datetime().nullable(),
    }),
  ),
});
export type SeenDevice = z.infer<typeof seenDeviceSchema>;

/** @throws NetlinkError, and what the device says */
export async function seenDevice(device: TunnelDevice): Promise<SeenDevice> {
  const { name, isolation } = device.config;
  const peers = await device.peers();
  return {
    name,
    isolation,
    inside: isolation === 'netns' ? device.inside(() => seeInterfaces()) : null,
    host: seeInterfaces((one) => one === name),
    peers: peers.map(({ publicKey, address, endpoint, keepaliveS, lastHandshakeMs }) => ({
      publicKey: Buffer.from(publicKey).toString('base64'),
      address: address ?? null,
      endpoint: endpoint ?? null,
      keepaliveS,
      lastHandshake: lastHandshakeMs === undefined ? null : new Date(lastHandshakeMs).toISOString(),
    })),
  };
}
