/** A tunnel that remembers what it is told, for tests of what stands above it. */
import type { OwnPair } from '@labmesh/tunnel/keys/tunnel-keys';
import type { OpenTunnel } from '@labmesh/tunnel/open-tunnel';
import type { TunnelPeerSettings } from '@labmesh/tunnel/tunnel-peer';
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import type { DeviceEvent } from '@labmesh/wireguard/tunnel-device';
import type { HubRotation } from '../hub-rotation.ts';

const shown = (settings: TunnelPeerSettings): TunnelPeer => ({
  id: settings.id,
  name: settings.name,
  wireguardPublicKey: Buffer.from(settings.wireguardPublicKey).toString('base64'),
  rosenpassSha256: settings.rosenpass?.fingerprint ?? null,
  address: settings.address,
  endpoint: null,
  mode: settings.mode,
  pq: 'stale',
  pqReason: 'no_exchange',
  pqSince: new Date(0).toISOString(),
  exchangeAgeS: null,
  nextExchangeS: null,
  lastRole: null,
  version: null,
  ciphertext: null,
  handshakeAgeS: null,
  pskKind: 'random',
  generation: 0,
  rxBytes: 0,
  txBytes: 0,
  exchanges: 0,
  failures: {},
  lastError: null,
});

const hubAddress = {
  tunnelAddress: '10.90.0.1',
  wireguardEndpoint: 'hub.example:51820',
  rosenpassEndpoint: 'hub.example:9999',
};
const wireguardPair = (fill: number) => ({
  privateKey: new Uint8Array(32).fill(fill),
  publicKey: new Uint8Array(32).fill(fill),
});

const pair = (index: number): OwnPair => ({
  index,
  fingerprint: `sha256:${'fe'.charAt(index).repeat(64)}`,
  prefixes: new Uint8Array(),
  publicKey: new Uint8Array([1, 2, 3 + index]),
});

/** Two pairs of nobody of each kind: the second is made when it is asked for, and takes over. */
export function rememberingKeys() {
  const [first, second] = [pair(0), pair(1)];
  const keys = {
    ownKey: first,
    nextKey: undefined as OwnPair | undefined,
    wireguard: wireguardPair(1),
    nextWireguard: undefined as ReturnType<typeof wireguardPair> | undefined,
    makeNextWireguard: () => (keys.nextWireguard ??= wireguardPair(keys.wireguard.privateKey[0] === 1 ? 2 : 1)),
    promoteNextWireguard() {
      [keys.wireguard, keys.nextWireguard] = [keys.nextWireguard ?? keys.wireguard, undefined];
      return keys.wireguard;
    },
    dropNextWireguard: () => void (keys.nextWireguard = undefined),
    makeNext() {
      keys.nextKey ??= keys.ownKey === first ? second : first;
      return Promise.resolve(keys.nextKey);
    },
    promoteNext() {
      const old = keys.ownKey;
      keys.ownKey = keys.nextKey ?? old;
      keys.nextKey = undefined;
      return old;
    },
  };
  return keys;
}

/** What of a tunnel has to do with own pairs, noted. */
const rememberingPairs = (world: () => { ownKeys: string[]; proof: string | undefined; isDeaf: boolean }) => ({
  addOwnKey: ({ index }: OwnPair) => void world().ownKeys.push(`answers ${index}`),
  beginWith: ({ index }: OwnPair) => void world().ownKeys.push(`begins ${index}`),
  removeOwnKey: (index: number) => void world().ownKeys.push(`forgets ${index}`),
  prove: () => world().proof,
  setPrivateKey: ([first]: Uint8Array) => {
    if (world().isDeaf) return Promise.reject(new Error('EIO'));
    return Promise.resolve(void world().ownKeys.push(`private ${first}`));
  },
});

/** What of a tunnel tells of its peers. */
const showing = (peers: ReadonlyMap<string, TunnelPeerSettings>) => ({
  peers: () => [...peers.values()].map(shown),
  exchangeNow: (id: string) => {
    const peer = peers.get(id);
    return Promise.resolve(peer && { ok: true, tookMs: 5, error: null, peer: shown(peer) });
  },
  unansweredMs: () => 0,
  peer: (id: string) => {
    const peer = peers.get(id);
    return peer && shown(peer);
  },
});

/** Its interface: answers for whatever it is told. */
const rememberingDevice = (listeners: ((event: DeviceEvent) => void)[], adopted: () => number) => ({
  watch: (listener: (event: DeviceEvent) => void) => void listeners.push(listener),
  peers: () => Promise.resolve(Array.from({ length: adopted() }, () => ({}))),
  answerFor: (addresses: ReadonlySet<string>) => Promise.resolve(addresses),
});

export function rememberingOpen() {
  const peers = new Map<string, TunnelPeerSettings>();
  const cuts: string[] = [];
  const tunnel = {
    ...rememberingPairs(() => world),
    ...showing(peers),
    setPeer(settings: TunnelPeerSettings) {
      if (settings.name === 'broken') return Promise.reject(new Error('its key is not here'));
      peers.set(settings.id, settings);
      return Promise.resolve();
    },
    removePeer(id: string) {
      if (world.isBusy) return Promise.reject(new Error('EBUSY'));
      peers.delete(id);
      return Promise.resolve();
    },
    removeStrangers() {
      world.sweeps++;
      return Promise.resolve(0);
    },
    cut(id: string) {
      cuts.push(id);
      return Promise.resolve(peers.has(id));
    },
  };
  const listeners: ((event: DeviceEvent) => void)[] = [];
  const device = rememberingDevice(listeners, () => world.adopted);
  const open = () =>
    ({
      tunnel: { ...tunnel, device },
      view: () => ({ peers: [...peers.values()].map((peer) => ({ ...shown(peer), ...world.isSeen })) }),
      [Symbol.asyncDispose]: () => Promise.resolve(peers.clear()),
    }) as unknown as OpenTunnel;
  const world = {
    peers,
    cuts,
    /** What the whole view tells otherwise of each peer than the peer itself. */
    isSeen: {} as Partial<TunnelPeer>,
    /** How often the device was opened, and freed from what an earlier run left there. */
    opened: 0,
    kept: 0,
    sweeps: 0,
    /** Peers that an earlier run left in it. */
    adopted: 0,
    /** Own pairs that it answers with beside the first, and those that it no longer does. */
    ownKeys: [] as string[],
    /** What of an exchange with a peer proves our word. */
    proof: undefined as string | undefined,
    /** It takes no private key. */
    isDeaf: false,
    /** It refuses to let peers go. */
    isBusy: false,
    /** Somebody deletes the interface. */
    lose: () => listeners.at(-1)?.({ kind: 'gone' }),
    ground: {
      address: hubAddress,
      rotation: undefined as unknown as HubRotation,
      hasNewKeys: false,
      keepAddress: () => Promise.resolve(void world.kept++),
      open: () => {
        world.opened++;
        return Promise.resolve(open());
      },
    },
  };
  return world;
}
