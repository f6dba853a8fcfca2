/** Which device carries the tunnel on this machine, and how it is isolated; who was passed over and why (R4, I5, R8). */
import { chooseAead } from '@labmesh/wireguard/aead/choose-aead';
import { chooseBackend } from '@labmesh/wireguard/devices/choose-backend';
import { kernelBackend } from '@labmesh/wireguard/devices/kernel-backend';
import type { LinkBackend } from '@labmesh/wireguard/devices/link-backend';
import { LinkDevice } from '@labmesh/wireguard/devices/link-device';
import { wireguardGoBackend } from '@labmesh/wireguard/devices/wireguard-go-backend';
import { chooseIsolation } from '@labmesh/wireguard/isolation/choose-isolation';
import { NativeBackend } from '@labmesh/wireguard/native/native-backend';
import { timestampFile } from '@labmesh/wireguard/native/timestamp-file';
import type { DeviceConfig, IsolationKind } from '@labmesh/wireguard/tunnel-device';
import type { Logger } from '@labmesh/kit/log';

export type DeviceWish = Omit<DeviceConfig, 'isolation'> & {
  backend: 'auto' | 'kernel' | 'wireguard-go' | 'native';
  isolation: IsolationKind | 'auto';
  aead: 'auto' | 'libcrypto' | 'wasm';
  /** Where the native backend keeps the last timestamp that it sent (N7). */
  timestampPath: string;
  log: Logger;
};

export type ChosenDevice = {
  device: LinkDevice;
  rejected: readonly { backend: string; reason: string }[];
  isolationRejected: readonly { kind: string; reason: string }[];
  /** Undefined where the backend seals packets itself. */
  aead: string | undefined;
  /** What waits for a session, and what was dropped, in all and by reason; undefined where the backend does not tell. */
  queue: () => { depth: number; dropped: number; drops: Record<string, number> } | undefined;
};

type Carrier = Pick<ChosenDevice, 'aead' | 'queue'> & { backend: LinkBackend };

async function nativeCarrier({ aead: pinned, timestampPath, log }: DeviceWish): Promise<Carrier> {
  const { aead, rejected } = await chooseAead(pinned);
  for (const { name, reason } of rejected) log.debug('an AEAD is not there', { aead: name, reason });
  const onFault = (error: unknown) => log.warn('the last timestamp of the tunnel was not kept', { error });
  const backend = new NativeBackend({ aead, timestamps: timestampFile(timestampPath, onFault) });
  return { backend, aead: aead.name, queue: () => backend.queue };
}

/**
 * Chooses; nothing is opened or touched.
 * @throws TunnelError TUNNEL_BACKEND_MISSING, TUNNEL_ISOLATION_UNAVAILABLE, each with every candidate's reason
 */
export async function chooseDevice(wish: DeviceWish): Promise<ChosenDevice> {
  const { backend: wanted, isolation, aead: _aead, timestampPath: _path, log: _log, ...config } = wish;
  const { backend, rejected } = await chooseBackend(wanted, wish.name);
  const plain = backend === 'kernel' ? kernelBackend : wireguardGoBackend;
  const carrier =
    backend === 'native' ? await nativeCarrier(wish) : { backend: plain, aead: undefined, queue: () => undefined };
  const { innerFilter } = carrier.backend;
  const { kind, rejected: isolationRejected } = chooseIsolation(isolation, wish.role.kind, { innerFilter });
  const device = new LinkDevice({ ...config, isolation: kind }, carrier.backend);
  return { device, rejected, isolationRejected, aead: carrier.aead, queue: carrier.queue };
}
