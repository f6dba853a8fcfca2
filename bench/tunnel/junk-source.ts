/**
 * `PORT HUBKEYFILE PER_SECOND SOURCES`: InitHello of noise with a right mac, as anyone can write who knows the hub's public
 * key, from that many addresses in turn. Says `{ready}`, and to each line how many were sent so far, until it is ended. They
 * are made before, and it is nicer than the hub: it costs the machine little more than the sending.
 */
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { openSuites } from '@labmesh/rosenpass/hash/suite';
import { prefixesOf } from '@labmesh/rosenpass/key-prefixes';
import { writeMac } from '@labmesh/rosenpass/message/envelope';
import { blankMessage, initHelloBytes } from '@labmesh/rosenpass/message/layout';
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';

const [port = '0', hubKeyPath = '', perSecond = '0', sources = '1'] = Bun.argv.slice(2);
const burstMs = 5;
/** What a busy machine left out is caught up with, up to this many. */
const behindMax = 1_000;
const keptCount = 4_099;
const nothing = new Uint8Array(0);
const niceness = 10;

setPriority(getPriority() + niceness);

const suites = await openSuites();
const prefixes = prefixesOf(suites, new Uint8Array(readFileSync(hubKeyPath)));
const connect = { hostname: '127.0.0.1', port: Number(port) };
const sockets = await Promise.all(
  Array.from({ length: Number(sources) }, (_, at) =>
    Bun.udpSocket({ hostname: `127.3.${at >> 8}.${at & 255}`, connect, socket: { error: () => {} } }),
  ),
);

/** By the time one comes again the hub has long forgotten it. */
const kept = Array.from({ length: keptCount }, (_, turn) => {
  const message = blankMessage('initHello', initHelloBytes('pc188'));
  crypto.getRandomValues(message.subarray(4, 36));
  // A cookie as well: one that was never given is refused only after it was hashed.
  crypto.getRandomValues(message.subarray(-16));
  new DataView(message.buffer, message.byteOffset).setUint32(40, turn);
  writeMac(suites.V03, prefixes, message);
  return message;
});

const begun = performance.now();
let [turn, sent] = [0, 0];
setInterval(() => {
  const due = Math.floor(((performance.now() - begun) * Number(perSecond)) / 1_000);
  turn = Math.max(turn, due - behindMax);
  for (; turn < due; turn++, sent++) sockets[turn % sockets.length]?.send(kept[turn % keptCount] ?? nothing);
}, burstMs);
console.log(JSON.stringify({ ready: true }));
for await (const _ of linesOf(Bun.stdin.stream())) console.log(JSON.stringify({ sent }));
// Whoever asked is gone.
process.kill(process.pid);
