/** The hub's end of the tunnel: keys, device, sockets, and the peers of this replica (tunnel 2.5). */
import { join } from 'node:path';
import { OptionsError } from '@labmesh/kit/options';
import { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { TunnelEvent } from '@labmesh/tunnel/tunnel';
import { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import { addTunnelMetrics } from '@labmesh/tunnel/tunnel-metrics';
import type { Metrics } from '@labmesh/kit/metrics';
import { system } from '@labmesh/wire/fleet/principal';
import { chooseDevice } from '@labmesh/tunnel/choose-device';
import type { EventLog } from '../events/event-log.ts';
import type { Ground } from '../settings/ground.ts';
import type { LabdOptions } from '../settings/labd-options.ts';
import type { World } from '../settings/world.ts';
import { TunnelHub } from '../tunnel/tunnel-hub.ts';
import type { Trust } from './compose-trust.ts';

export type TunnelComposeParts = Pick<Trust, 'audit' | 'secrets'> &
  World & { options: LabdOptions; ground: Ground; events: EventLog; metrics: Metrics };

const deviceAlias = 'labmesh:labd';
const writer = system('tunnel');

/** @throws OptionsError (exit 3) when the hub cannot be reached as it is set up */
function reach(options: LabdOptions): { listen: readonly string[]; endpoint: string } {
  const fault = (key: string, what: string) =>
    new OptionsError({ source: key, key, exitCode: 3 }, `${what}, since conplane.tunnel.enabled opens UDP ports`);
  const { tunnelListen: listen, tunnelEndpoint: endpoint, tunnelListenPort, tunnelRosenpassPort } = options;
  if (listen.length === 0) throw fault('conplane.tunnel.listen', 'is needed: the addresses to listen on');
  if (endpoint === undefined) throw fault('conplane.tunnel.endpoint', 'is needed: the host that nodes dial');
  if (tunnelListenPort === tunnelRosenpassPort) {
    throw fault('conplane.tunnel.rosenpass_port', 'must differ from listen_port');
  }
  return { listen, endpoint };
}

/** What happens to peers, for audit and events alike (V9). */
function teller({ audit, events, log }: TunnelComposeParts): (event: TunnelEvent) => void {
  const actions = {
    pq_active: 'tunnel.pq-active',
    pq_stale: 'tunnel.pq-stale',
    pq_fallback: 'tunnel.pq-fallback',
    psk_mismatch: 'tunnel.psk-mismatch',
    cut: 'tunnel.cut',
  } as const;
  return (event) => {
    if (event.event === 'exchanged' || event.event === 'exchange_timeout') return;
    const { peer } = event;
    const reason = event.reason === undefined ? {} : { reason: event.reason };
    events.emit('tunnel-changed', 'tunnel', peer, { what: event.event, ...reason });
    const row = { principal: writer, phase: 'single', result: 'ok', action: actions[event.event] } as const;
    const entry = { ...row, resource: `tunnel/${peer}`, resourceId: peer, details: reason };
    audit.append(entry).catch((error: unknown) => log.warn('an audit row of the tunnel was not written', { error }));
  };
}

async function openTunnel(parts: TunnelComposeParts): Promise<OpenTunnel> {
  const { options, ground, clock, log } = parts;
  const { listen } = reach(options);
  const { dataDir, range } = ground;
  const at = (name: string) => join(dataDir, 'tunnel', name);
  await using opening = new AsyncDisposableStack();
  const keys = opening.use(
    await TunnelKeys.open({
      wireguard: { privateKeyPath: at('wg.key'), publicKeyPath: at('wg.pub') },
      rosenpass: { privateKeyPath: at('pqsk'), publicKeyPath: at('pqpk') },
      keysDir: join(dataDir, 'keys'),
      workers: options.tunnelWorkers,
      cacheBytes: options.tunnelKeyCacheMb * 1024 * 1024,
      log,
    }),
  );
  const chosen = await chooseDevice({
    name: options.tunnelInterfaceName,
    alias: deviceAlias,
    role: { kind: 'hub' },
    address: range.hub,
    range: options.conplaneRange,
    mtu: options.tunnelMtu,
    privateKey: keys.wireguard.privateKey,
    listen: { addresses: listen, port: options.tunnelListenPort },
    isolation: options.tunnelIsolation,
    backend: options.tunnelBackend,
    aead: options.tunnelAead,
    timestampPath: at('tai64n'),
    log,
  });
  const sockets = { addresses: listen, port: options.tunnelRosenpassPort };
  const cookie = options.tunnelCookie;
  const open = await OpenTunnel.open({ keys, chosen, listen: sockets, cookie, clock, log, onEvent: teller(parts) });
  // The keys' threads go with the tunnel.
  open.alsoDispose(opening.move());
  return open;
}

/** Undefined: `conplane.tunnel.enabled = false`. @throws OptionsError, TunnelError, TunnelKeyError */
export async function composeTunnel(
  parts: TunnelComposeParts,
  stack: AsyncDisposableStack,
): Promise<TunnelHub | undefined> {
  const { options, ground, store, secrets, clock, log, metrics } = parts;
  if (!options.tunnelEnabled) return undefined;
  const { endpoint } = reach(options);
  const open = await openTunnel(parts);
  const { tunnelListenPort: port, tunnelRosenpassPort: rosenpass } = options;
  const host = endpoint.includes(':') ? `[${endpoint}]` : endpoint;
  const address = {
    tunnelAddress: ground.range.hub,
    wireguardEndpoint: `${host}:${port}`,
    rosenpassEndpoint: `${host}:${rosenpass}`,
  };
  const hub = stack.use(new TunnelHub({ store, secrets, open, replicaId: ground.replicaId, address, clock, log }));
  await hub.start();
  addTunnelMetrics(metrics, () => hub.view());
  const { backend, isolation } = hub.view();
  log.info('the hub of the tunnel is open', { interface: options.tunnelInterfaceName, backend, isolation });
  return hub;
}
