/** Whether the interface can have its name and its addresses (I10, I12). */
import { chooseDevice } from '@labmesh/tunnel/choose-device';
import { seeInterfaces } from '@labmesh/wireguard/devices/see-interfaces';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { HubPlace } from '../../tunnel/hub-peer.ts';
import { deviceAlias, nodeDeviceWish, type NodeTunnelSettings } from '../../tunnel/open-node-tunnel.ts';
import { fail, failure, type Finding, pass, unknown } from './finding.ts';

const [nameCheck, addressCheck] = ['interface', 'address'];
const otherName = 'interface_name = "…" below [wireguard], another one';
const askHub =
  'ask who runs the hub: its conplane.range and this node’s wireguard.range must be the same, and free here';

/** Before an address is known: who bears the name. */
function nameAlone(name: string): Finding {
  const taken = seeInterfaces((one) => one === name).find(({ alias }) => alias !== deviceAlias);
  // One without mark may be wireguard-go's, made for us.
  if (taken === undefined || (taken.kind === 'tun' && taken.alias === '')) return pass(nameCheck, `${name} is free`);
  return fail(nameCheck, `${name} is somebody else’s interface`, `${otherName}, or: ip link delete ${name}`);
}

/** @param place undefined: not known before the first registration. An error: what the hub named is refused. */
export async function deviceChecks(
  settings: NodeTunnelSettings,
  place: HubPlace | TunnelError | undefined,
): Promise<Finding[]> {
  const { interfaceName } = settings.config;
  if (place instanceof TunnelError) return [nameAlone(interfaceName), failure(addressCheck, place, askHub)];
  if (place === undefined) {
    return [nameAlone(interfaceName), unknown(addressCheck, 'comes with the first registration')];
  }
  const shown = `${place.address}, hub ${place.hubAddress}`;
  try {
    const wish = nodeDeviceWish(settings, place);
    const { device } = await chooseDevice({ ...wish, privateKey: new Uint8Array(32) });
    await device.check();
    return [pass(nameCheck, `${interfaceName} is free, or ours`), pass(addressCheck, shown)];
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    if (error.code === 'TUNNEL_NAME_TAKEN') return [failure(nameCheck, error, otherName)];
    if (error.code === 'TUNNEL_ADDRESS_REFUSED') return [failure(addressCheck, error, askHub)];
    // No backend or no isolation: said by the checks of the machine.
    return [nameAlone(interfaceName), unknown(addressCheck, `${shown}; no device could be tried`)];
  }
}
