/** The tunnel in words (V7). "post-quantum" is written for `active` only; everything else says why not. */
import type { HubRotationView, RelayedNodeView, TunnelPeer, TunnelView } from '@labmesh/wire/tunnel';
import { exposedText } from '@labmesh/wireguard/isolation/exposed-sockets';

const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

function bytesText(bytes: number): string {
  let [value, at] = [bytes, 0];
  for (; value >= 1_000 && at < units.length - 1; at++) value /= 1_000;
  return `${value >= 100 || at === 0 ? Math.round(value) : Math.round(value * 10) / 10} ${units[at]}`;
}

const ageText = (seconds: number | null) => (seconds === null ? 'never' : `${Math.round(seconds)} s`);

/** Groups of 8, for comparing by eye (K2). */
export function groupedFingerprint(fingerprint: string): string {
  const hex = fingerprint.replace(/^sha256:/, '');
  return `sha256:${hex.match(/.{1,8}/g)?.join(' ') ?? ''}`;
}

/** Reasons that are a moment; the others last. */
const happened: ReadonlySet<TunnelPeer['pqReason']> = new Set([
  'exchange_expired',
  'write_failed',
  'clock_jump',
  'permissive_fallback',
]);

/** What the peer's traffic is worth, in one phrase. */
export function pqText(peer: TunnelPeer, now: number): string {
  if (peer.pq === 'active') {
    return `post-quantum (exchange ${ageText(peer.exchangeAgeS)} ago, ${peer.version} ${peer.ciphertext})`;
  }
  const since = Math.max(0, Math.round((now - Date.parse(peer.pqSince)) / 1_000));
  const traffic = peer.pskKind === 'none' ? 'traffic passes without it' : 'traffic cut';
  const isWaiting = peer.pskKind === 'rosenpass';
  const when = happened.has(peer.pqReason) ? `${since} s ago` : `for ${since} s`;
  return `NOT post-quantum: ${peer.pqReason} ${when}, ${isWaiting ? 'waiting for a handshake' : traffic}`;
}

/** Whether all that passes here is proven post-quantum at this moment: what `--check` asks. */
export const isPostQuantum = ({ fault, peers }: Pick<TunnelView, 'fault' | 'peers'>): boolean =>
  fault === undefined && peers.every(({ pq }) => pq === 'active');

/** One line a peer. `isDown`: the interface is, whatever is known of keys. */
export function peerLine(peer: TunnelPeer, now: number, isDown = false): string {
  const mode = peer.mode === 'permissive' && peer.rosenpassSha256 !== null ? ' permissive' : '';
  const handshake = peer.handshakeAgeS === null ? 'no handshake' : `handshake ${ageText(peer.handshakeAgeS)}`;
  const isChanging = peer.nextWireguardPublicKey === undefined ? '' : ' changes its WireGuard key';
  const next = peer.nextExchangeS === null ? '' : ` next exchange in ${ageText(peer.nextExchangeS)}`;
  const fault = peer.lastError === null ? '' : ` ${peer.lastError}`;
  const worth = isDown ? 'NOT post-quantum: the interface is down, nothing passes' : pqText(peer, now);
  const traffic = `↓${bytesText(peer.rxBytes)} ↑${bytesText(peer.txBytes)}`;
  return `${peer.name} ${peer.endpoint ?? peer.address}${mode} ${worth} ${handshake}${next} ${traffic}${isChanging}${fault}`;
}

/** Only our own data plane can be bound to some addresses; a hub's port is open on all of the host's else. */
function portText({ listenPort, backend, role }: TunnelView): string {
  if (listenPort === 0) return '';
  const everywhere = role === 'hub' && (backend === 'kernel' || backend === 'wireguard-go');
  return `, UDP ${listenPort}${everywhere ? ` on every address (${backend} knows no listen list)` : ''}`;
}

/** How far the hub's change of its pair is, and for whom it waits (K8). */
export function rotationLines(rotation: HubRotationView): string[] {
  const { phase, newSha256, newWireguardPublicKey: wireguard, dueAt, waiting, waitingCount } = rotation;
  const said = {
    announced: 'is announced; both keys answer, nodes use the one before',
    promoted: 'is the one that nodes are to use; both keys answer',
    done: 'is the only one; the one before is deleted',
  }[phase];
  const more = waitingCount > waiting.length ? ` and ${waitingCount - waiting.length} more` : '';
  const whom = phase === 'announced' ? 'nodes that have not taken it' : 'peers that still use the one before';
  return [
    `rotation   ${groupedFingerprint(newSha256)} ${said}`,
    ...(wireguard === undefined
      ? []
      : [`           WireGuard ${wireguard} ${phase === 'announced' ? 'follows with it' : 'is in use'}`]),
    ...(waitingCount > 0 ? [`           waits for ${whom}: ${waiting.join(', ')}${more}`] : []),
    ...(dueAt === null ? [] : [`           goes on by ${dueAt} at the latest`]),
  ];
}

/** Names in a warning. */
const namedMax = 5;

/** Q6, Q7: a link that was made permissive is plain WireGuard now. */
function fallbackLines(peers: readonly TunnelPeer[]): string[] {
  const names = peers.filter(({ pqReason }) => pqReason === 'permissive_fallback').map(({ name }) => name);
  if (names.length === 0) return [];
  const more = names.length > namedMax ? ` and ${names.length - namedMax} more` : '';
  const whose = `${names.slice(0, namedMax).join(', ')}${more}`;
  return [
    `WARNING    permissive, and no exchange: traffic of ${whose} is plain WireGuard now, not post-quantum;`,
    '           whoever can drop the exchange’s UDP packets (port 9999) can force that',
  ];
}

/** I5: warned about for ever, with what the warning is about. */
function exposureLines({ role, exposed }: TunnelView): string[] {
  const who = role === 'hub' ? 'peers reach' : 'the hub reaches';
  const warning = `WARNING    without isolation ${who} every service of this machine`;
  return exposed === undefined ? [warning] : [warning, `           by now ${exposedText(exposed)}`];
}

/** Faults come first; a fleet is not listed here. */
const relayedMax = 20;

function relayedLine({ name, address, port, replicaId, connections, error }: RelayedNodeView): string {
  const now = connections === 1 ? '1 connection' : `${connections} connections`;
  return `elsewhere  ${name} ${address}:${port} through replica ${replicaId}, ${now}${error === null ? '' : `: ${error}`}`;
}

/** H6: nodes of other hubs, how they are reached, and what of that is not claimed. */
function relayedLines(nodes: readonly RelayedNodeView[]): string[] {
  if (nodes.length === 0) return [];
  const sorted = nodes.toSorted((one, two) => Number(one.error === null) - Number(two.error === null));
  const more = nodes.length - relayedMax;
  return [
    ...sorted.slice(0, relayedMax).map(relayedLine),
    ...(more > 0 ? [`           and ${more} more`] : []),
    '           between replicas by TLS with a post-quantum key exchange (X25519MLKEM768)',
  ];
}

/** The whole end: device, keys, peers. */
export function tunnelText(view: TunnelView, now: number): string {
  const rejected = view.backendRejected.map(({ backend, reason }) => `${backend}: ${reason}`);
  const lines = [
    `device     ${view.interface} ${view.address}, ${view.backend}${view.aead === null ? '' : ` (${view.aead})`}, MTU ${view.mtu}${portText(view)}`,
    ...rejected.map((reason) => `           not ${reason}`),
    `isolation  ${view.isolation}: ${view.isolationDetail}`,
    ...(view.fault === undefined ? [] : [`FAULT      ${view.fault}`]),
    `keys       WireGuard ${view.wireguardPublicKey}`,
    ...(view.nextWireguardPublicKey === undefined
      ? []
      : [`           WireGuard ${view.nextWireguardPublicKey} is to follow`]),
    `           Rosenpass ${groupedFingerprint(view.rosenpassSha256)}`,
    ...(view.rotation === undefined ? [] : rotationLines(view.rotation)),
    ...view.peers.map((peer) => `peer       ${peerLine(peer, now, view.fault !== undefined)}`),
  ];
  lines.push(...relayedLines(view.relayed ?? []), ...fallbackLines(view.peers));
  if (view.isolation === 'none') lines.push(...exposureLines(view));
  if (view.peers.length === 0) lines.push('peers      none');
  return `${lines.join('\n')}\n`;
}
