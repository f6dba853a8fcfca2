/** The registration of a site, put together: what it tells of the node, and what becomes of what it settles. */
import type { Clock } from '@labmesh/kit/clock';
import type { Logger } from '@labmesh/kit/log';
import type { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { provisionalNodeId } from '@labmesh/wire/ids';
import { nodeToken } from './config/read-control-plane.ts';
import type { TunnelConfig } from './config/read-tunnel.ts';
import { ConplaneCalls } from './conplane/conplane-calls.ts';
import { checkPins, PinMismatch } from './conplane/hub-of.ts';
import { nodeHeartbeat, nodeInfo } from './conplane/node-report.ts';
import { Registration, type RegistrationParts } from './conplane/registration.ts';
import { readTrusted } from './conplane/trusted-key.ts';
import type { LabmanConfig } from './labman-config.ts';
import type { Labman } from './labman.ts';
import type { NodeTunnel } from './tunnel/node-tunnel.ts';

export type SiteParts = {
  config: LabmanConfig;
  tunnel: TunnelConfig;
  labman: Labman;
  stateDir: string;
  version: string;
  clock: Clock;
  log: Logger;
  /** Ends registration and heartbeats. */
  signal: AbortSignal;
};

const textOf = (key: Uint8Array) => Buffer.from(key).toString('base64');

/** Undefined without a Conplane. @throws what reading the token says */
export function registrationOf(
  parts: SiteParts,
  keys: TunnelKeys,
  tunnel: NodeTunnel,
  onNextTaken: RegistrationParts['onNextTaken'],
): Registration | undefined {
  const { config, labman, stateDir, version, clock, log } = parts;
  const { controlPlane } = config;
  if (controlPlane === undefined) return undefined;
  const { registry, slugs, metrics } = labman;
  const report = {
    registry,
    slugs,
    metrics,
    region: controlPlane.region,
    description: controlPlane.description,
    version,
    isDraining: () => labman.isDraining,
    tunnel: () => tunnel.view(),
  };
  const provisional = provisionalNodeId(nodeToken(controlPlane));
  return new Registration({
    calls: new ConplaneCalls(controlPlane),
    config: controlPlane,
    tunnel: parts.tunnel,
    stateDir,
    keysDir: keys.keysDir,
    isProven: (...claim) => tunnel.isHubProven(...claim),
    isWireguardProven: (...claim) => tunnel.isHubWireguardProven(...claim),
    trusted: () => readTrusted(stateDir),
    keys: {
      wireguard: () => {
        const own = textOf(keys.wireguard.publicKey);
        if (keys.nextWireguard === undefined) return { own };
        const key = textOf(keys.nextWireguard.publicKey);
        return { own, next: { key, proof: tunnel.proveNextKey(own, key) } };
      },
      rosenpass: () => (keys.nextKey === undefined ? [keys.ownKey] : [keys.ownKey, keys.nextKey]),
    },
    proxyPort: config.proxy.tunnelPort,
    info: (nodeId) => nodeInfo(report, nodeId === '' ? provisional : nodeId),
    heartbeat: (nodeId) => nodeHeartbeat(report, nodeId),
    onState: async (state, own, isForgotten) => {
      await tunnel.apply(state);
      const pair = [keys.ownKey, keys.nextKey].find((one) => one?.fingerprint === own.fingerprint);
      if (pair !== undefined) await tunnel.beginWith(pair);
      if (isForgotten) await tunnel.renew();
    },
    onNextTaken,
    clock,
    log,
  });
}

/** What an earlier run settled, unless the settings pin another hub since: then only a registration can tell (K5). */
export function knownState({ tunnel, stateDir, clock, log }: SiteParts, registration: Registration | undefined) {
  const state = registration?.state;
  if (state?.hub === undefined || state.hub === null) return state;
  try {
    checkPins(state.hub, { config: tunnel, known: state.hub, trusted: readTrusted(stateDir), now: clock.wall() });
    return state;
  } catch (error) {
    if (!(error instanceof PinMismatch)) throw error;
    log.warn('the hub of the last run is not the one that the settings pin', { reason: error.message });
    return undefined;
  }
}
