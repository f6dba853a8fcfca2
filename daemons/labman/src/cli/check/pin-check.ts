/** Whether the hub is the pinned one: settings, what an earlier run settled, and what the Conplane shows now (K5). */
import type { TunnelConfig } from '../../config/read-tunnel.ts';
import { checkPins, pinnedSha256, PinMismatch } from '../../conplane/hub-of.ts';
import type { NodeState } from '../../conplane/node-file.ts';
import type { NodeStatus } from '../../admin/node-status.ts';
import { failure, type Finding, pass, unknown } from './finding.ts';

const name = 'pins';
const way = 'compare the fingerprint with `labctl tunnel fingerprint` at the hub, then: labman tunnel trust sha256:…';

export type PinGround = {
  config: TunnelConfig;
  state: NodeState | undefined;
  trusted: string | undefined;
  /** Of the running labmand. */
  registration: NodeStatus['registration'] | undefined;
};

export function pinCheck({ config, state, trusted, registration }: PinGround): Finding {
  if (registration?.phase === 'pin_mismatch') return failure(name, new Error(registration.detail ?? 'mismatch'), way);
  const hub = state?.hub ?? undefined;
  try {
    const pinned = pinnedSha256(config);
    if (hub === undefined) {
      return pinned === undefined
        ? unknown(name, 'no hub is known yet; the first registration pins it', way)
        : pass(name, `only ${pinned} will be taken`);
    }
    checkPins(hub, { config, known: hub, trusted, now: Date.now() });
    if (hub.rosenpassSha256 === null)
      return unknown(name, 'the hub has no Rosenpass key: the tunnel is not post-quantum');
    return pass(
      name,
      `${hub.rosenpassSha256}, ${pinned === undefined ? 'pinned at first use' : 'as the settings say'}`,
    );
  } catch (error) {
    if (!(error instanceof PinMismatch) && (error as { code?: unknown }).code === undefined) throw error;
    return failure(name, error, way);
  }
}
