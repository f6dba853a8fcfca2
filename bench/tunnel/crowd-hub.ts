/**
 * A hub for `crowd.ts`: real key exchange over loopback with one thread for the heavy steps, and a device in memory whose
 * handshakes succeed each second, so that only an exchange that is missing makes a node inactive. JSON lines:
 *
 *     {"ready", port, keysDir, publicKeyPath}
 *     {"add": fingerprints}     ─► {peers}
 *     {"look": N, "mark"}       ─► {active, renewed, exchanges} of the first N nodes, {lateMs} since the last look
 *
 * `renewed` and `exchanges` count from the last look with a mark.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listenDatagrams } from '@labmesh/tunnel/datagrams';
import { tunnelEnd } from '@labmesh/tunnel/testing/tunnel-end';
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';
import { Lateness } from './lateness.ts';

type Request = { add?: string[]; look?: number; mark?: boolean };

const say = (value: object) => console.log(JSON.stringify(value));

const hub = await tunnelEnd({ kind: 'hub' }, '10.90.0.1');
const datagrams = await listenDatagrams(['127.0.0.1'], 0, hub.tunnel.receive);
hub.tunnel.start(datagrams);
// Half a megabyte a node; also when nobody is there any more to be told something.
process.on('exit', () => rmSync(hub.keysDir, { recursive: true, force: true }));
const lateness = new Lateness();

// WireGuard's handshakes, without WireGuard.
setInterval(() => {
  for (const peer of hub.device.held.values()) peer.lastHandshakeMs = Date.now();
}, 1_000);

const nameOf = (index: number) => `node-${index}`;
const indexOf = (name: string) => Number(name.slice('node-'.length));

const active = new Set<number>();
const renewed = new Set<number>();
let exchanges = 0;
function takeEvents(): void {
  for (const { event, peer } of hub.events.splice(0)) {
    const index = indexOf(peer);
    if (event === 'pq_active') active.add(index);
    if (event === 'pq_stale' || event === 'cut') active.delete(index);
    if (event !== 'exchanged') continue;
    renewed.add(index);
    exchanges += 1;
  }
}

const countBelow = (nodes: ReadonlySet<number>, end: number) => [...nodes].filter((index) => index < end).length;

function look({ look: end = 0, mark = false }: Request): object {
  takeEvents();
  const seen = { active: countBelow(active, end), renewed: countBelow(renewed, end), exchanges };
  if (mark) {
    renewed.clear();
    exchanges = 0;
  }
  return { ...seen, lateMs: lateness.take() };
}

/** The node `index`: its own address, and a WireGuard key that nobody uses. */
async function add(index: number, fingerprint: string): Promise<void> {
  const wireguardPublicKey = new Uint8Array(32);
  new DataView(wireguardPublicKey.buffer).setUint32(0, index + 1);
  await hub.tunnel.setPeer({
    id: nameOf(index),
    name: nameOf(index),
    wireguardPublicKey,
    address: `10.90.${(index + 2) >> 8}.${(index + 2) & 255}`,
    keepaliveS: 0,
    mode: 'strict',
    fallbackAfterMs: 60_000,
    rosenpass: { fingerprint, schedule: 'hub', version: 'V03', ciphertext: 'pc188' },
  });
}

const publicKeyPath = join(hub.keysDir, 'hub.pk');
writeFileSync(publicKeyPath, hub.rosenpassPublicKey);
say({ ready: true, port: datagrams.port, keysDir: hub.keysDir, publicKeyPath });
for await (const line of linesOf(Bun.stdin.stream())) {
  const request = line as Request;
  for (const fingerprint of request.add ?? []) await add(hub.tunnel.peerIds.length, fingerprint);
  say(request.add === undefined ? look(request) : { peers: hub.tunnel.peerIds.length });
}
// Whoever asked is gone: timers of the bench would go on.
await datagrams[Symbol.asyncDispose]();
await hub[Symbol.asyncDispose]();
process.kill(process.pid);
