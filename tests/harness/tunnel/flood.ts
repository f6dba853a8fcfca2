/**
 * `HOST PORT PUBLICKEY PER_SECOND SOURCES`: handshake messages with a right mac1 and nothing behind it, as anyone can
 * write who knows the public key (hex), from own addresses (a list with commas) in turn, until it is ended.
 */
import { mac1Key } from '@labmesh/wireguard/noise/key-derivation';
import { initiationBytes, messageType } from '@labmesh/wireguard/noise/message-layout';
import { writeMac1 } from '@labmesh/wireguard/noise/message-macs';

const [hostname = '', port = '0', publicKey = '', perSecond = '0', sources = ''] = Bun.argv.slice(2);
const key = mac1Key(Buffer.from(publicKey, 'hex'));
const messages = Array.from({ length: 256 }, (_, index) => {
  const message = new Uint8Array(initiationBytes).fill(index, 4);
  message.set([messageType.initiation, 0, 0, 0]);
  writeMac1(message, key);
  return message;
});
const connect = { hostname, port: Number(port) };
const sockets = await Promise.all(
  sources.split(',').map((own) => Bun.udpSocket({ hostname: own, connect, socket: { error: () => {} } })),
);
console.log(JSON.stringify({ ready: true }));
// In bursts, which fill a queue where an even stream would be worked off; what a busy machine left out is caught up with.
const burstMs = 10;
const begun = performance.now();
let turn = 0;
setInterval(() => {
  const due = Math.min(Math.floor(((performance.now() - begun) * Number(perSecond)) / 1000), turn + 2_000);
  for (; turn < due; turn += 1) {
    const message = messages[turn % messages.length];
    if (message !== undefined) sockets[turn % sockets.length]?.send(message);
  }
}, burstMs);
