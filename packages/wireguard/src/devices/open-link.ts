/**
 * The way to an open tunnel interface, as a list: `plan` shows it, `open` runs it (spec tunnel.md N1, R3). Each step
 * leaves on the stack how it is undone.
 */
import { checkAddresses, hostAddresses } from '../isolation/check-addresses.ts';
import { closeInterface, checkInterfaceName, interfaceSettings } from '../isolation/interface-settings.ts';
import { type Isolation, isolationPlan, openIsolation, type IsolationOptions } from '../isolation/isolation.ts';
import { deleteLink, findLink, moveLink, setLinkAlias, setLinkDown, setLinkMtu, setLinkUp } from '../netlink/links.ts';
import { NetlinkSocket } from '../netlink/netlink-socket.ts';
import { removeKeptTable } from '../nftables/kept-table.ts';
import { type DeviceConfig, type DeviceStep, TunnelError } from '../tunnel-device.ts';
import { type WireguardControl, wipeReading } from '../wireguard-control.ts';
import { claimName, type ClaimedName } from './claim-name.ts';
import type { LinkBackend } from './link-backend.ts';
import { addressFaults, type GuardedLink } from './link-faults.ts';

/** What the steps have made so far. */
export type Opening = {
  readonly config: DeviceConfig;
  readonly backend: LinkBackend;
  readonly stack: AsyncDisposableStack;
  claimed: ClaimedName;
  isolation: Isolation;
  /** Of the host's namespace, and of the isolation's, which may be the same. */
  host: NetlinkSocket;
  inner: NetlinkSocket;
  /** The one of both that sees the interface now. */
  socket: NetlinkSocket;
  index: number;
  control: WireguardControl;
  listenPort: number;
  /** The hub's routes, one for each peer. */
  readonly routes: Set<string>;
  /** The interface stays when all else ends (H2). */
  isLeft: boolean;
};

type LinkStep = DeviceStep & { run: (opening: Opening) => void | Promise<void> };

const isV6 = ({ address }: DeviceConfig) => address.includes(':');
const peerOf = ({ address, role }: DeviceConfig) => (role.kind === 'node' ? role.hubAddress : address);

/** The interface as the guard keeps it. */
export function guardedLink({ config, index, routes }: Opening): GuardedLink {
  const { name, alias, mtu, address } = config;
  return { index, name, alias, mtu, address, peer: peerOf(config), isV6: isV6(config), routes };
}

async function check(opening: Opening): Promise<void> {
  const { config, backend, stack } = opening;
  checkInterfaceName(config.name);
  opening.host = stack.use(new NetlinkSocket('route'));
  opening.claimed = await claimName(config, backend, opening.host);
  const own = opening.claimed.kind === 'free' ? undefined : opening.claimed.link.index;
  const peer = config.role.kind === 'node' ? config.role.hubAddress : undefined;
  const { address, range, mtu } = config;
  checkAddresses({ own: address, peer, range, mtu }, hostAddresses(opening.host, own));
}

/** Deletes the interface only if number, name, kind and mark are ours (I12); gives whether it did. */
function removeInterface({ config, backend, socket, index, isLeft }: Opening): boolean {
  if (isLeft) return false;
  const found = findLink(socket, index);
  const isOurs = found?.name === config.name && found.kind === backend.kind && found.alias === config.alias;
  if (isOurs) deleteLink(socket, index);
  return isOurs;
}

function indexOf(socket: NetlinkSocket, name: string): number {
  const found = findLink(socket, name);
  if (found !== undefined) return found.index;
  throw new TunnelError('NETLINK_FAILED', `the interface ${name} is gone while it was set up`);
}

function isolate(opening: Opening, options: IsolationOptions): void {
  const { config, backend, stack } = opening;
  opening.isolation = stack.use(openIsolation(config, options));
  opening.inner = stack.use(opening.isolation.inside(() => new NetlinkSocket('route')));
  opening.socket = backend.bornOutside ? opening.host : opening.inner;
}

function takeInterface(opening: Opening): void {
  const { config, backend, stack, claimed } = opening;
  const release = () => (opening.isLeft ? undefined : backend.release?.(config));
  if (!backend.attached) stack.defer(release);
  if (claimed.kind === 'leftover') deleteLink(opening.host, claimed.link.index);
  if (claimed.kind === 'take') {
    opening.index = claimed.link.index;
  } else {
    opening.isolation.inside(() => backend.create?.(config, opening.socket));
    opening.index = indexOf(opening.socket, config.name);
  }
  try {
    setLinkAlias(opening.socket, opening.index, config.alias);
  } catch (error) {
    if (claimed.kind !== 'take') deleteLink(opening.socket, opening.index);
    throw error;
  }
  let isRemoved = false;
  // What is not marked as ours goes on without us, and what somebody else has deleted may be there anew by now.
  if (backend.attached) stack.defer(() => (isRemoved ? release() : undefined));
  stack.defer(() => {
    try {
      isRemoved = removeInterface(opening);
    } catch (error) {
      // It stands without us now.
      opening.isolation.keep();
      throw error;
    }
  });
  // Live sessions end when an interface goes down.
  if (claimed.kind === 'take' && claimed.keepPeers) return;
  setLinkDown(opening.socket, opening.index);
  setLinkMtu(opening.socket, opening.index, config.mtu);
}

function move(opening: Opening): void {
  const { config, isolation, inner } = opening;
  if (isolation.namespace === undefined) return;
  moveLink(opening.host, opening.index, isolation.namespace.fd);
  opening.socket = inner;
  // It has another number there when its own is taken.
  opening.index = indexOf(inner, config.name);
}

/** Closes it to the kernel's own ways; a table that a killed process left for a filter guards nothing any more. */
function settle({ config, isolation }: Opening): void {
  isolation.inside(() => closeInterface(config.name, isV6(config)));
  if (isolation.kind === 'filter') return;
  try {
    removeKeptTable(config.name);
  } catch {
    // No nf_tables, or no right to it: then there is none of ours.
  }
}

async function setKeys(opening: Opening): Promise<void> {
  const { config, backend, claimed, isolation, stack } = opening;
  opening.control = stack.use(await backend.control(config, isolation));
  const { privateKey, listen } = config;
  const wantedPort = listen?.port ?? 0;
  if (claimed.kind !== 'take' || !claimed.keepPeers) {
    await opening.control.write({ privateKey, listenPort: wantedPort, replacePeers: true });
    return;
  }
  const reading = await opening.control.read();
  wipeReading(reading);
  for (const { allowedIps } of reading.peers) opening.routes.add(allowedIps[0]?.split('/')[0] ?? '');
  opening.routes.delete('');
  // The same port again would open its sockets anew.
  await opening.control.write(
    reading.listenPort === wantedPort ? { privateKey } : { privateKey, listenPort: wantedPort },
  );
}

async function readPort(opening: Opening): Promise<void> {
  const reading = await opening.control.read();
  wipeReading(reading);
  opening.listenPort = reading.listenPort;
}

/** In order; nothing of it is done yet. */
export function linkSteps(config: DeviceConfig, backend: LinkBackend, options: IsolationOptions): LinkStep[] {
  const { name, alias, mtu } = config;
  const peer = peerOf(config);
  const moved = config.isolation === 'netns' && backend.bornOutside;
  const port = config.listen === undefined ? 'a random UDP port' : `UDP port ${config.listen.port}`;
  const address: LinkStep = {
    step: 'address',
    detail: peer === config.address ? peer : `${config.address} peer ${peer}`,
    run: (opening) => {
      for (const { repair } of addressFaults(opening.socket, guardedLink(opening))) repair();
    },
  };
  const up: LinkStep = { step: 'up', detail: name, run: ({ socket, index }) => setLinkUp(socket, index, mtu) };
  const all: (LinkStep | undefined)[] = [
    { step: 'check', detail: `${name} is free or marked ${alias}; addresses and MTU are allowed`, run: check },
    {
      step: 'isolation',
      detail: isolationPlan(config, options),
      run: (opening) => isolate(opening, options),
    },
    { step: 'interface', detail: `${backend.describe(name)}, mark ${alias}, down, MTU ${mtu}`, run: takeInterface },
    moved ? { step: 'move', detail: `${name} to that namespace`, run: move } : undefined,
    {
      step: 'settings',
      detail: interfaceSettings(name, isV6(config)).join(', '),
      run: settle,
    },
    { step: 'keys', detail: `private key, ${port}`, run: setKeys },
    // The kernel forgets now and then to make the route of an IPv6 peer when the interface comes up after its address.
    ...(isV6(config) ? [up, address] : [address, up]),
    { step: 'port', detail: 'read the UDP port in use', run: readPort },
  ];
  return all.filter((step) => step !== undefined);
}
