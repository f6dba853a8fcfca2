/**
 * wireguard-go, attached to by its socket and never started by us (spec tunnel.md R4): the operator runs
 * `wireguard-go labman0` as a service. A device that nobody has set up is taken; its process ends with its interface.
 */
import { existsSync } from 'node:fs';
import { UapiControl, uapiSocketPath } from '../uapi/uapi-control.ts';
import type { DeviceConfig } from '../tunnel-device.ts';
import { wipeReading } from '../wireguard-control.ts';
import type { LinkBackend } from './link-backend.ts';

/** Its process removes the socket a moment after the interface went. */
const endWaitMs = 3_000;
const endLookMs = 20;

/** Why there is none for this interface, or undefined. */
export async function wireguardGoMissing(name: string): Promise<string | undefined> {
  const path = uapiSocketPath(name);
  if (!existsSync(path)) return `there is no ${path}; start it with: wireguard-go ${name}`;
  try {
    using control = new UapiControl(name);
    wipeReading(await control.read());
    return undefined;
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : 'unknown'}`;
  }
}

async function isUnused(name: string): Promise<boolean> {
  try {
    using control = new UapiControl(name);
    const reading = await control.read();
    wipeReading(reading);
    return reading.privateKey === undefined && reading.peers.length === 0;
  } catch {
    // A TUN that is not wireguard-go's.
    return false;
  }
}

async function waitForEnd({ name }: DeviceConfig): Promise<void> {
  const path = uapiSocketPath(name);
  for (let waitedMs = 0; waitedMs < endWaitMs && existsSync(path); waitedMs += endLookMs) await Bun.sleep(endLookMs);
}

export const wireguardGoBackend: LinkBackend = {
  name: 'wireguard-go',
  kind: 'tun',
  innerFilter: false,
  bornOutside: true,
  attached: true,
  describe: (name) => `attach to wireguard-go at ${uapiSocketPath(name)}`,
  isUnused,
  control: async ({ name }) => new UapiControl(name),
  release: waitForEnd,
};
