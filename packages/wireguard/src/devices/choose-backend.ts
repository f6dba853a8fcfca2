/** `auto` takes the kernel, else wireguard-go, else our own data plane; who was passed over and why is shown (spec tunnel.md R4). */
import { existsSync } from 'node:fs';
import { hasRight, howToGrant } from '../isolation/rights.ts';
import { type BackendName, TunnelError } from '../tunnel-device.ts';
import { kernelMissing } from './kernel-backend.ts';
import { wireguardGoMissing } from './wireguard-go-backend.ts';

type RealBackend = Exclude<BackendName, 'memory'>;

export type ChosenBackend = { backend: RealBackend; rejected: { backend: RealBackend; reason: string }[] };

/** For each backend, in order of choice: why it cannot be used for this interface, or undefined. */
export type BackendProbes = Record<RealBackend, (name: string) => string | undefined | Promise<string | undefined>>;

function nativeMissing(): string | undefined {
  if (!existsSync('/dev/net/tun')) return `no /dev/net/tun; ${howToGrant('CAP_NET_ADMIN')}`;
  return hasRight('CAP_NET_ADMIN') ? undefined : `CAP_NET_ADMIN is missing; ${howToGrant('CAP_NET_ADMIN')}`;
}

const realProbes: BackendProbes = { kernel: kernelMissing, 'wireguard-go': wireguardGoMissing, native: nativeMissing };

const order: readonly RealBackend[] = ['kernel', 'wireguard-go', 'native'];

/** @throws TunnelError TUNNEL_BACKEND_MISSING, exit 5, with each candidate's answer. */
export async function chooseBackend(
  wanted: RealBackend | 'auto',
  interfaceName: string,
  probes: BackendProbes = realProbes,
): Promise<ChosenBackend> {
  const rejected: ChosenBackend['rejected'] = [];
  for (const backend of order.filter((one) => wanted === 'auto' || wanted === one)) {
    const reason = await probes[backend](interfaceName);
    if (reason === undefined) return { backend, rejected };
    rejected.push({ backend, reason });
  }
  const answers = rejected.map(({ backend, reason }) => `${backend}: ${reason}`).join('; ');
  throw new TunnelError('TUNNEL_BACKEND_MISSING', `no backend for the tunnel. ${answers}`);
}
