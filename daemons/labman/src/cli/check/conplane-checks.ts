/** Whether the Conplane answers, is the right one, and took this node. */
import { pinnedRoots } from '@labmesh/pki/pin';
import type { NodeStatus } from '../../admin/node-status.ts';
import type { ControlPlaneConfig } from '../../config/read-control-plane.ts';
import { type ConplaneLook, lookAtConplane } from '../../conplane/look-at-conplane.ts';
import { fail, failure, type Finding, pass, unknown } from './finding.ts';

const name = 'Conplane';
const reasonOf = (error: unknown) => {
  const { code, name: kind } = error as { code?: unknown; name?: unknown };
  return typeof code === 'string'
    ? code
    : kind === 'TimeoutError' || kind === 'AbortError'
      ? 'no answer in 5 s'
      : 'refused';
};

function pinned(config: ControlPlaneConfig, pin: string, { bundlePem = '' }: ConplaneLook): Finding {
  const { origin } = new URL(config.url);
  if (pinnedRoots(bundlePem, pin) !== undefined) return pass(name, `${origin} answers, with the pinned CA`);
  const fix = 'compare with `labctl ca status` at the hub; then set ca_sha256, or ask who stands between';
  return fail(name, `what answers at ${origin} does not have the CA that ca_sha256 pins`, fix);
}

export type ConplaneSeen = { finding: Finding; look: ConplaneLook | undefined };

export async function conplaneCheck(config: ControlPlaneConfig): Promise<ConplaneSeen> {
  const { origin, hostname, port, protocol } = new URL(config.url);
  const { caPin } = config;
  let look: ConplaneLook;
  try {
    look = await lookAtConplane(config, false);
  } catch (error) {
    const at = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
    const fix = `is labd up, does ${hostname} resolve here, is TCP ${at} open on the way?`;
    return { finding: fail(name, `no answer from ${origin} (${reasonOf(error)})`, fix), look: undefined };
  }
  if (caPin !== undefined) return { finding: pinned(config, caPin, look), look };
  try {
    await lookAtConplane(config, true);
    return { finding: pass(name, `${origin} answers`), look };
  } catch (error) {
    const fix = 'mend its certificate, or pin its CA: ca_sha256 = "…" below [control_plane]';
    return { finding: fail(name, `the certificate of ${origin} is not trusted here (${reasonOf(error)})`, fix), look };
  }
}

const ways: Partial<Record<NonNullable<NodeStatus['registration']>['phase'], string>> = {
  error: 'labctl node token create, then labman join',
  tunnel_address_refused: 'have the hub name addresses of this node’s range, or set range below [wireguard] as agreed',
};

/** As the running labmand tells it; a hub that is not the pinned one is the pins' matter. */
export function registrationCheck(registration: NodeStatus['registration'] | undefined): Finding {
  const check = 'registration';
  if (registration === undefined) return unknown(check, 'labmand does not run');
  if (registration === null) return pass(check, 'none: no Conplane is configured');
  const { phase, detail, nodeId } = registration;
  if (phase === 'registered') return pass(check, `node ${nodeId ?? ''}`);
  if (phase === 'pin_mismatch') return unknown(check, 'waits for the pins');
  if (detail === null) return unknown(check, 'labmand is asking, and has no answer yet');
  const tries = 'see Conplane; labmand tries on by itself';
  return failure(check, new Error(detail), ways[phase] ?? tries);
}
