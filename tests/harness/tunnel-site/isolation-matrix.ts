/** Which devices the isolation suites try: every backend that is here, with each way to isolate it. */
import { kernelMissing } from '@labmesh/wireguard/devices/kernel-backend';
import type { IsolationKind } from '@labmesh/wireguard/tunnel-device';
import type { DeviceBackend } from '../tunnel-device/device-wire.ts';
import { tunnelSiteMissing } from './tunnel-site.ts';

export const siteMissing = tunnelSiteMissing();

/** Why this backend cannot be tried here, or undefined. */
export function backendMissing(backend: DeviceBackend): string | undefined {
  if (siteMissing !== undefined || backend !== 'kernel') return siteMissing;
  return kernelMissing() === undefined ? undefined : 'a kernel with WireGuard';
}

export type Case = { backend: DeviceBackend; isolation: IsolationKind; title: string; missing: string | undefined };

function caseOf(backend: DeviceBackend, isolation: IsolationKind): Case {
  const missing = backendMissing(backend);
  const title = `${backend}, ${isolation}${missing === undefined ? '' : ` (needs ${missing})`}`;
  return { backend, isolation, title, missing };
}

const backends: readonly DeviceBackend[] = ['wireguard-go', 'native', 'kernel'];

export const isolationCases: readonly Case[] = backends.flatMap((backend) => [
  caseOf(backend, 'netns'),
  caseOf(backend, 'filter'),
]);
