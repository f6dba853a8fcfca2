/**
 * A hub for `crowd.ts`: real key exchange over loopback with one thread for the heavy steps, and a device in memory whose
 * handshakes succeed each second, so that only an exchange that is missing makes a node inactive. JSON lines:
 *
 *     {"ready", port, fingerprint, keysDir, publicKeyPath}
 *     {"add": fingerprints}   ─► {peers}
 *     {"look": true}          ─► {active, lateMs, refused} since the last look
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listenDatagrams } from '@labmesh/tunnel/datagrams';
import { tunnelEnd } from '@labmesh/tunnel/testing/tunnel-end';
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';

type Request = { add?: string[] };

const sampleMs = 5;
const say = (value: object) => console.log(JSON.stringify(value));

await using hub = await tunnelEnd({ kind: 'hub' }, '10.90.0.1');
await using datagrams = await listenDatagrams(['127.0.0.1'], 0, hub.tunnel.receive);
hub.tunnel.start(datagrams);

// WireGuard's handshakes, without WireGuard.
setInterval(() => {
  for (const peer of hub.device.held.values()) peer.lastHandshakeMs = Date.now();
}, 1_000);

/** How late a timer comes, ms: what any other work in this thread would have waited. */
let late: number[] = [];
function sample(due: number): void {
  const now = performance.now();
  late.push(Math.max(0, now - due));
  setTimeout(sample, sampleMs, now + sampleMs);
}
sample(performance.now());

const active = new Set<string>();
function countActive(): number {
  for (const { event, peer } of hub.events.splice(0)) {
    if (event === 'pq_active') active.add(peer);
    if (event === 'pq_stale' || event === 'cut') active.delete(peer);
  }
  return active.size;
}

/** The node `index`: its own address, and a WireGuard key that nobody uses. */
async function add(index: number, fingerprint: string): Promise<void> {
  const wireguardPublicKey = new Uint8Array(32);
  new DataView(wireguardPublicKey.buffer).setUint32(0, index + 1);
  await hub.tunnel.setPeer({
    id: `node-${index}`,
    name: `node-${index}`,
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
say({ ready: true, port: datagrams.port, fingerprint: hub.fingerprint, keysDir: hub.keysDir, publicKeyPath });
for await (const line of linesOf(Bun.stdin.stream())) {
  const { add: fingerprints } = line as Request;
  if (fingerprints !== undefined) {
    for (const [index, fingerprint] of fingerprints.entries()) await add(index, fingerprint);
    say({ peers: hub.tunnel.peerIds.length });
    continue;
  }
  const lateMs = late;
  late = [];
  say({ active: countActive(), lateMs, refused: hub.tunnel.drops.counts() });
}
