/**
 * Whether the hub's two UDP ports answer, and how large a datagram may be on the way. Only Rosenpass and WireGuard with keys
 * get an answer there: the running labmand is asked for one. Without it a refusal is all that could be seen.
 */
import { NamedEndpoint, showEndpoint } from '@labmesh/tunnel/named-endpoint';
import type { TunnelPeer } from '@labmesh/wire/tunnel';
import { probePath } from '@labmesh/wireguard/native/probe-path';
import type { Endpoint } from '@labmesh/wireguard/tunnel-device';
import { mtuRange } from '@labmesh/wireguard/isolation/check-addresses';
import type { HubPlace } from '../../tunnel/hub-peer.ts';
import { fail, type Finding, pass, unknown } from './finding.ts';
import type { RunningNode } from './running-node.ts';

const names = { rosenpass: 'Rosenpass UDP', wireguard: 'WireGuard UDP', mtu: 'MTU' };
/** A handshake under way: WireGuard tries each 5 s. */
const handshakeWaitMs = 12_000;
const lookEveryMs = 500;
/** Life of a session (5.9). */
const sessionS = 180;
/** Of a data packet: head and seal; and what goes around a datagram of each family. */
const [sealBytes, blockBytes] = [32, 16];
const headBytes = (address: string) => (address.includes(':') ? 48 : 28);

export type PathGround = { place: HubPlace | undefined; mtu: number; node: RunningNode | undefined };

const isShaken = (hub: TunnelPeer | undefined) =>
  hub !== undefined && hub.handshakeAgeS !== null && hub.handshakeAgeS < sessionS;

const mendName = 'mend the resolver of this machine, or write peer_endpoint = "IP:port" below [wireguard]';
const openIt = (port: number) => `open UDP ${port} at the hub, and outward here; answers come back the same way`;

/** With keys: one exchange now. */
async function exchangeCheck(node: RunningNode, { host, port }: { host: string; port: number }): Promise<Finding> {
  const { tookMs, error } = await node.exchange();
  if (error === undefined) return pass(names.rosenpass, `${host} port ${port} answered in ${tookMs} ms`);
  return fail(names.rosenpass, `${host} port ${port}: ${error.split('; ')[0]}`, openIt(port));
}

/** With keys: a handshake that is alive, or one that follows the exchange. */
async function handshakeCheck(node: RunningNode, port: number, isExchanged: boolean): Promise<Finding> {
  const until = performance.now() + (isExchanged ? handshakeWaitMs : 0);
  let hub = await node.hub();
  while (!isShaken(hub) && performance.now() < until) {
    await Bun.sleep(lookEveryMs);
    hub = await node.hub();
  }
  const at = hub?.endpoint ?? `port ${port}`;
  if (isShaken(hub)) return pass(names.wireguard, `${at}: handshake ${Math.round(hub?.handshakeAgeS ?? 0)} s ago`);
  if (isExchanged) return fail(names.wireguard, `${at}: no handshake, though keys were exchanged`, openIt(port));
  return unknown(names.wireguard, `${at}: without an exchange no handshake can be had; mend that first`);
}

/** Without keys. */
async function strangerCheck(name: string, place: { host: string; port: number }): Promise<Finding> {
  const endpoint = await resolved(place);
  if (endpoint === undefined) return fail(name, `${place.host} does not resolve`, mendName);
  const probe = await probePath(endpoint, 1);
  const at = showEndpoint(endpoint);
  if (probe.kind === 'unreachable') {
    const isAway = ['ENETUNREACH', 'EHOSTUNREACH'].includes(probe.reason);
    const way = `a route from here: ip route get ${endpoint.address} says what is missing`;
    return fail(name, `${at}: ${probe.reason}`, isAway ? way : openIt(endpoint.port));
  }
  return unknown(name, `${at}: nobody refused a datagram; an answer needs keys`, 'start labmand, then check again');
}

async function mtuCheck(endpoint: Endpoint, mtu: number): Promise<Finding> {
  const wanted = Math.ceil(mtu / blockBytes) * blockBytes + sealBytes;
  const probe = await probePath(endpoint, wanted);
  const onWire = (bytes: number) => bytes + headBytes(endpoint.address);
  if (probe.kind === 'unreachable') return unknown(names.mtu, `${showEndpoint(endpoint)}: ${probe.reason}`);
  if (probe.kind === 'fits') {
    const text = `packets of ${onWire(wanted)} bytes leave for ${showEndpoint(endpoint)} in one piece, no router objects`;
    return pass(names.mtu, text);
  }
  const room = Math.floor((probe.bytes - sealBytes) / blockBytes) * blockBytes;
  const text = `the way to ${showEndpoint(endpoint)} takes packets of ${onWire(probe.bytes)} bytes, MTU ${mtu} makes ${onWire(wanted)}`;
  const least = onWire(mtuRange.min + sealBytes);
  const fix =
    room < mtuRange.min
      ? `a link that takes ${least} bytes; the tunnel needs as much`
      : `mtu = ${room} below [wireguard]`;
  return fail(names.mtu, text, fix);
}

/** @returns undefined: the name has no address now. */
async function resolved(at: { host: string; port: number }): Promise<Endpoint | undefined> {
  const named = new NamedEndpoint(at);
  await named.resolve();
  return named.current;
}

export async function pathChecks({ place, mtu, node }: PathGround): Promise<Finding[]> {
  if (place === undefined) return [unknown(names.wireguard, 'the hub is not known yet')];
  const { wireguard, rosenpass } = place;
  const at = await resolved(wireguard);
  const findings: Finding[] = [];
  if (rosenpass === undefined) findings.push(unknown(names.rosenpass, 'the hub has no Rosenpass key'));
  else if (node?.view === undefined) findings.push(await strangerCheck(names.rosenpass, rosenpass));
  else findings.push(await exchangeCheck(node, rosenpass));
  if (node?.view === undefined) findings.push(await strangerCheck(names.wireguard, wireguard));
  else
    findings.push(
      await handshakeCheck(
        node,
        wireguard.port,
        findings.every(({ result }) => result !== 'fail'),
      ),
    );
  return at === undefined ? findings : [...findings, await mtuCheck(at, mtu)];
}
