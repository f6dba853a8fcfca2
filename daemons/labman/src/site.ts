/**
 * The node's way to its Conplane: keys → tunnel (from node.json, so that a restart needs no Conplane) → registration. The
 * proxy inside the tunnel is bound once the device is isolated.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { keepPublicKey, readPublicKey } from '@labmesh/tunnel/keys/public-key-files';
import { TunnelKeys } from '@labmesh/tunnel/keys/tunnel-keys';
import type { TunnelConfig } from './config/read-tunnel.ts';
import type { NodeState } from './conplane/node-file.ts';
import type { Registration } from './conplane/registration.ts';
import { knownState, registrationOf, type SiteParts } from './site-registration.ts';
import { stateInFile } from './tunnel/hub-in-file.ts';
import { KeyRotation } from './tunnel/key-rotation.ts';
import { NodeTunnel } from './tunnel/node-tunnel.ts';
import { tunnelPaths } from './tunnel/tunnel-paths.ts';
import { watchSilence } from './tunnel/watch-silence.ts';
import { WireguardRotation } from './tunnel/wireguard-rotation.ts';

export interface Site extends AsyncDisposable {
  readonly keys: TunnelKeys;
  readonly tunnel: NodeTunnel;
  readonly rotation: KeyRotation;
  /** Undefined without a Conplane: the hub stands in the file. */
  readonly registration: Registration | undefined;
  /** Ends with the registration; rejects when its token is refused and `on_auth_failure` is "stop". */
  readonly done: Promise<void>;
}

const keyCacheBytes = 4 * 1024 * 1024;

/** What the settings say of the hub, its key kept where the threads look for it. */
function configuredState(tunnel: TunnelConfig, keysDir: string): NodeState | undefined {
  const path = tunnel.rosenpass.peerPublicKeyPath;
  if (path !== undefined) keepPublicKey(keysDir, new Uint8Array(readFileSync(path)));
  return stateInFile(tunnel);
}

/**
 * Starts the site's end. With a state of an earlier run, or a hub in the file, the tunnel is open when this resolves.
 * @throws TunnelKeyError, TunnelError
 */
export async function openSite(parts: SiteParts): Promise<Site> {
  const { config, labman, stateDir, clock, log, signal } = parts;
  const paths = tunnelPaths(parts.tunnel, stateDir);
  await using opening = new AsyncDisposableStack();
  const options = { workers: 1, cacheBytes: keyCacheBytes, log };
  const keys = opening.use(await TunnelKeys.open({ ...paths, ...options }));
  const port = config.proxy.tunnelPort;
  const changing = { keys, tunnel: () => tunnel, registration: () => registration, clock, log };
  const wireguard = new WireguardRotation(changing);
  const rotation = new KeyRotation({ ...changing, wireguard });
  const tunnel: NodeTunnel = opening.use(
    new NodeTunnel({
      config: parts.tunnel,
      keys,
      proxyPort: port,
      timestampPath: join(stateDir, 'tai64n'),
      serve: (device) => {
        const { address, role } = device.config;
        const hubAddress = role.kind === 'node' ? role.hubAddress : '';
        return device.inside(() => labman.serveTunnel({ address, hubAddress, port }));
      },
      onExchanged: (ownKey) => {
        rotation.exchangedWith(ownKey);
        wireguard.exchanged();
      },
      onHubKey: (key) => registration?.noteHubKey(key),
      onTimeout: () => registration?.again(),
      clock,
      log,
    }),
  );
  labman.metrics.addTunnel(() => tunnel.view());
  opening.use(wireguard);
  const registration = registrationOf(parts, keys, tunnel, (...word) => wireguard.taken(...word));
  const known = knownState(parts, registration) ?? configuredState(parts.tunnel, paths.keysDir);
  const hubKey = known?.hub?.rosenpassSha256;
  // A lost key file is fetched again by registering; without a Conplane it is the operator's to bring.
  const isWhole = hubKey === undefined || hubKey === null || readPublicKey(paths.keysDir, hubKey) !== undefined;
  if (known !== undefined && (isWhole || registration === undefined)) await tunnel.apply(known);
  const ending = new AbortController();
  const ended = AbortSignal.any([signal, ending.signal]);
  const done = registration?.run(ended) ?? Promise.resolve();
  if (registration !== undefined) void watchSilence({ tunnel, clock, log }, ended);
  done.catch(() => undefined);
  opening.defer(async () => {
    ending.abort();
    await done.catch(() => undefined);
  });
  const running = opening.move();
  return { keys, tunnel, rotation, registration, done, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
