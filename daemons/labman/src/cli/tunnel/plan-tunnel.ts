/** `labman tunnel plan`: what opening the tunnel would do, step by step, from settings and node.json. Nothing is changed. */
import { join } from 'node:path';
import { silentLogger } from '@labmesh/kit/log';
import { showListenAddress } from '@labmesh/kit/http/listen-address';
import { type ChosenDevice, chooseDevice } from '@labmesh/tunnel/choose-device';
import type { DeviceStep } from '@labmesh/wireguard/tunnel-device';
import { readNodeState } from '../../conplane/node-file.ts';
import type { LabmanConfig } from '../../labman-config.ts';
import { stateInFile } from '../../tunnel/hub-in-file.ts';
import { type HubPlace, hubPlace } from '../../tunnel/hub-peer.ts';
import { nodeDeviceWish } from '../../tunnel/open-node-tunnel.ts';
import { LabmandError } from '../ask-labmand.ts';
import type { LabmanFlags } from '../labman-options.ts';
import { settingsOf } from '../settings-of.ts';
import { json, type Verb } from '../verb.ts';

/** Settings that name a tunnel, and where it would be. @throws LabmandError, OptionsError, TunnelError */
async function placeOf(flags: Pick<LabmanFlags, 'config' | 'stateDir'>) {
  const config = await settingsOf(flags);
  if (config?.tunnel === undefined) {
    throw new LabmandError('no tunnel is configured: labman join writes the settings, --config names them', 4);
  }
  const state = readNodeState(flags.stateDir) ?? stateInFile(config.tunnel);
  const place = state === undefined ? undefined : hubPlace(state, config.tunnel);
  if (place !== undefined) return { config, tunnel: config.tunnel, place };
  const way = 'start labmand once, so that it registers, or name the hub in the settings';
  throw new LabmandError(`no tunnel address is known in ${flags.stateDir}; ${way}`, 1);
}

/** What follows the device's own steps (N1). */
function followingSteps(
  { proxy }: LabmanConfig,
  { address, hubAddress, wireguard, rosenpass }: HubPlace,
): DeviceStep[] {
  const show = ({ host, port }: { host: string; port: number }) => showListenAddress({ host, port });
  const exchange =
    rosenpass === undefined
      ? []
      : [{ step: 'exchange', detail: `Rosenpass with ${show(rosenpass)}, by UDP from here` }];
  return [
    { step: 'proxy', detail: `${show({ host: address, port: proxy.tunnelPort })}, for ${hubAddress} alone` },
    { step: 'peer', detail: `${hubAddress}/32 at ${show(wireguard)}, with a random PSK until the first exchange` },
    ...exchange,
  ];
}

type Plan = Pick<ChosenDevice, 'rejected' | 'isolationRejected' | 'aead'> & {
  interface: string;
  backend: string;
  isolation: string;
  steps: readonly DeviceStep[];
};

function planText({ backend, rejected, isolation, isolationRejected, aead, steps }: Plan): string {
  const lines = [
    `backend    ${backend}${aead === undefined ? '' : ` (${aead})`}`,
    ...rejected.map((one) => `           not ${one.backend}: ${one.reason}`),
    `isolation  ${isolation}`,
    ...isolationRejected.map((one) => `           not ${one.kind}: ${one.reason}`),
    ...steps.map(({ step, detail }, index) => `${String(index + 1).padStart(2)}. ${step.padEnd(10)} ${detail}`),
  ];
  return `${lines.join('\n')}\n`;
}

export const plan: Verb = async ({ flags, print }) => {
  const { config, tunnel, place } = await placeOf(flags);
  const timestampPath = join(flags.stateDir, 'tai64n');
  const settings = { config: tunnel, proxyPort: config.proxy.tunnelPort, timestampPath, log: silentLogger };
  // No step of a plan looks at the key.
  const chosen = await chooseDevice({ ...nodeDeviceWish(settings, place), privateKey: new Uint8Array(32) });
  const { device, rejected, isolationRejected, aead } = chosen;
  const shown: Plan = {
    interface: tunnel.interfaceName,
    backend: device.backend,
    rejected,
    isolation: device.config.isolation,
    isolationRejected,
    aead,
    steps: [...device.plan(), ...followingSteps(config, place)],
  };
  print(flags.json ? json(shown) : planText(shown));
  return 0;
};
