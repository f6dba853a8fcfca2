/** Whether this machine can carry the tunnel: rights, /dev/net/tun, backend, isolation (N6, R4, I5). */
import { closeSync, openSync } from 'node:fs';
import { chooseBackend } from '@labmesh/wireguard/devices/choose-backend';
import { chooseIsolation } from '@labmesh/wireguard/isolation/choose-isolation';
import { exposedText } from '@labmesh/wireguard/isolation/exposed-sockets';
import { hasRight, howToGrant } from '@labmesh/wireguard/isolation/rights';
import { TunnelError } from '@labmesh/wireguard/tunnel-device';
import type { TunnelView } from '@labmesh/wire/tunnel';
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { fail, failure, type Finding, pass } from './finding.ts';

type Backend = Exclude<TunnelConfig['backend'], 'auto'>;

const tunPath = '/dev/net/tun';

function rights({ isolation }: TunnelConfig): Finding {
  const name = 'rights';
  if (!hasRight('CAP_NET_ADMIN')) return fail(name, 'CAP_NET_ADMIN is missing', howToGrant('CAP_NET_ADMIN'));
  if (hasRight('CAP_SYS_ADMIN')) return pass(name, 'CAP_NET_ADMIN, CAP_SYS_ADMIN');
  if (isolation === 'netns') {
    return fail(name, 'CAP_SYS_ADMIN is missing, which isolation = "netns" needs', howToGrant('CAP_SYS_ADMIN'));
  }
  return pass(name, 'CAP_NET_ADMIN; no CAP_SYS_ADMIN, so no network namespace of its own');
}

/** Opening it makes no interface. */
function tunDevice(backend: Backend | undefined): Finding {
  const name = 'tun device';
  try {
    closeSync(openSync(tunPath, 'r+'));
    return pass(name, `${tunPath} can be opened`);
  } catch (error) {
    const why = (error as { code?: string }).code ?? 'refused';
    if (backend === 'kernel') return pass(name, `${tunPath}: ${why}, and the kernel’s WireGuard needs none`);
    return fail(name, `${tunPath}: ${why}`, 'modprobe tun; container: --device /dev/net/tun --cap-add NET_ADMIN');
  }
}

async function backendOf({ backend, interfaceName }: TunnelConfig): Promise<{ finding: Finding; chosen?: Backend }> {
  const name = 'backend';
  try {
    const { backend: chosen, rejected } = await chooseBackend(backend, interfaceName);
    const others = rejected.map((one) => ` (not ${one.backend}: ${one.reason})`).join('');
    return { finding: pass(name, `${chosen}${others}`), chosen };
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const fix = backend === 'auto' ? howToGrant('CAP_NET_ADMIN') : 'backend = "auto" below [wireguard]';
    return { finding: fail(name, error.message, fix) };
  }
}

function isolation({ isolation: wanted }: TunnelConfig, backend: Backend | undefined): Finding {
  const name = 'isolation';
  try {
    const { kind, rejected } = chooseIsolation(wanted, 'node', { innerFilter: backend === 'native' });
    if (kind !== 'none') {
      const others = rejected.map((one) => ` (not ${one.kind}: ${one.reason})`).join('');
      return pass(name, `${kind}${others}`);
    }
    return pass(name, `none, as written: the hub reaches ${exposedText()}`);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return failure(name, error, howToGrant('CAP_SYS_ADMIN'));
  }
}

/** Of an interface that labmand has: what happened to it since (N9). */
function openIsolation({ isolation, isolationDetail, exposed, fault }: TunnelView): Finding {
  const name = 'isolation';
  const shown =
    isolation === 'none'
      ? `none, as written: the hub reaches ${exposedText(exposed)}`
      : `${isolation}: ${isolationDetail}`;
  if (fault === undefined) return pass(name, shown);
  return fail(name, fault, 'the log of labmand tells each change: end what makes them, then restart labmand');
}

/** @param view of the running labmand: it has shown what it can do, whoever asks here. */
export async function machineChecks(config: TunnelConfig, view: TunnelView | undefined): Promise<Finding[]> {
  if (view !== undefined) return [pass('rights', 'labmand has them: its tunnel is open'), openIsolation(view)];
  const { finding, chosen } = await backendOf(config);
  return [rights(config), tunDevice(chosen), finding, isolation(config, chosen)];
}
