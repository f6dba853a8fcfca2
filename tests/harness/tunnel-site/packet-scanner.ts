/**
 * `INTERFACE SOURCE,… TARGET,… tcp|udp all|PORT,… [MARKER_ADDRESS MARKER_PORT]`: sends a packet of its own making from each
 * source to ports of each target, or to all 65,535, and tells `{"open", "closed", "sent"}`: who answered with data or
 * SYN-ACK as `ADDRESS:PORT`, how many were refused, how many packets left. Routing, port filters and addresses of its own
 * host play no part.
 *
 * With a marker, a SYN to that open port follows each burst, and the next burst waits for its SYN-ACK: packets of one
 * tunnel arrive in order, so all before it were seen. Without, it waits a little.
 */
import { libc } from '@labmesh/wireguard/ffi/libc';
import { findLink } from '@labmesh/wireguard/netlink/links';
import { NetlinkSocket } from '@labmesh/wireguard/netlink/netlink-socket';
import { type FoundPacket, readPacket, tcpSyn, udpDatagram } from './raw-packets.ts';

const [interfaceName = '', from = '', to = '', protocol = 'tcp', which = 'all', markerAddress = '', markerPort = '0'] =
  Bun.argv.slice(2);
const [sources, targets] = [from.split(','), to.split(',')];
const ports = which === 'all' ? Array.from({ length: 65_535 }, (_, i) => i + 1) : which.split(',').map(Number);

const packetFamily = 17;
const datagramType = 2;
const ipv4Protocol = 0x0008;
const doNotWait = 0x40;
const socketLevel = 1;
const receiveBufferForce = 33;
/** Fits the UDP buffers on the way. */
const burst = 256;
const markerWaitMs = 300;
const markerTriesMax = 10;
const lastWaitMs = 400;
/** Another one in each run: late answers to the run before are not ours. */
const scanPort = 30_000 + Math.floor(Math.random() * 10_000);
const markerPortsFrom = 50_000;

const fd = libc().socket(packetFamily, datagramType, ipv4Protocol);
libc().setsockopt(fd, socketLevel, receiveBufferForce, Int32Array.of(2 ** 23), 4);
const place = new Uint8Array(20);
using route = new NetlinkSocket('route');
new DataView(place.buffer).setUint16(0, packetFamily, true);
new DataView(place.buffer).setUint16(2, ipv4Protocol, true);
new DataView(place.buffer).setInt32(4, findLink(route, interfaceName)?.index ?? 0, true);
if (fd < 0 || libc().bind(fd, place, place.length) < 0) throw new Error(`cannot listen on ${interfaceName}`);

const buffer = new Uint8Array(2_048);
const open = new Set<string>();
let [closed, sent, marked] = [0, 0, -1];

function send(packet: Uint8Array): void {
  while (libc().send(fd, packet, packet.length, 0) < 0) Bun.sleepSync(1);
}

function note({ kind, source, from, to }: FoundPacket): void {
  if (kind === 'syn-ack' && source === markerAddress && to >= markerPortsFrom) marked = to;
  else if (kind === 'reset' || kind === 'unreachable') closed++;
  else if (to === scanPort && kind === (protocol === 'tcp' ? 'syn-ack' : 'datagram')) open.add(`${source}:${from}`);
}

/** Takes what has come until now. */
function listen(): void {
  for (;;) {
    const length = libc().recv(fd, buffer, buffer.length, doNotWait);
    if (length < 0) return;
    const packet = readPacket(buffer.subarray(0, length), sources);
    if (packet !== undefined) note(packet);
  }
}

/** Until the marker of this burst was answered. @throws Error when it never is. */
function waitForMarker(number: number): void {
  for (let tries = 0; tries < markerTriesMax; tries++) {
    const port = markerPortsFrom + ((number * markerTriesMax + tries) % 10_000);
    send(tcpSyn(sources[0] ?? '', markerAddress, port, Number(markerPort)));
    const end = performance.now() + markerWaitMs;
    while (performance.now() < end) {
      listen();
      if (marked === port) return;
      Bun.sleepSync(0.2);
    }
  }
  throw new Error('the open port does not answer any more');
}

function pause(number: number): void {
  if (markerAddress !== '') waitForMarker(number);
  else Bun.sleepSync(4);
  listen();
}

const write = protocol === 'tcp' ? tcpSyn : udpDatagram;
for (const source of sources) {
  for (const target of targets) {
    for (const port of ports) {
      send(write(source, target, scanPort, port));
      if (++sent % burst === 0) pause(sent / burst);
    }
  }
}
pause(0);
for (const end = performance.now() + lastWaitMs; performance.now() < end; Bun.sleepSync(5)) listen();
console.log(JSON.stringify({ open: [...open].toSorted(), closed, sent }));
