/** Which devices the isolation suites try: every backend that is here, with each way to isolate it. */
import { kernelMissing } from '@labmesh/wireguard/devices/kernel-backend';
import type { IsolationKind } from '@labmesh/wireguard/tunnel-device';
import type { DeviceBackend } from '../tunnel-device/device-wire.ts';
import { tunnelSiteMissing } from './tunnel-site.ts';

export const siteMissing = tunnelSiteMissing();

export type Case = { backend: DeviceBackend; isolation: IsolationKind; title: string; missing: string | undefined };

function caseOf(backend: DeviceBackend, isolation: IsolationKind): Case {
  const title = `${backend}, ${isolation}${siteMissing === undefined ? '' : ` (needs ${siteMissing})`}`;
  return { backend, isolation, title, missing: siteMissing };
}

/** The kernel's device where the kernel has one: no package brings it. What we say to it is tested by its bytes everywhere. */
const ofKernel: readonly DeviceBackend[] = kernelMissing() === undefined ? ['kernel'] : [];
const backends: readonly DeviceBackend[] = ['wireguard-go', 'native', ...ofKernel];

export const isolationCases: readonly Case[] = backends.flatMap((backend) => [
  caseOf(backend, 'netns'),
  caseOf(backend, 'filter'),
]);
