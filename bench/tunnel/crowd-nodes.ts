/**
 * `HUBPORT KEYSDIR HUBKEYFILE COUNT`: that many nodes in one process, each a real key exchange from an address of its own;
 * nicer than the hub, which must not wait for them. JSON lines:
 *
 *     {"fingerprints"}            a part of them, as they are made, so that the hub learns them meanwhile
 *     {"begin": [from, to]}  ─►   {begun}, after these nodes have begun one after another
 *     {"look": true}         ─►   {exchanges}: [node, ms from its first InitHello to its key], since the last look
 *
 * A McEliece pair takes a third of a second to make. Here one is made, and each node's public key is that one with one bit
 * changed, in a column of its own: the secret half still fits unless the error vector has that column (1 in 48), and then
 * the node says its hello again, as after a loss.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@labmesh/kit/clock';
import { fingerprintOf } from '@labmesh/rosenpass/fingerprint';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import { prefixesOf } from '@labmesh/rosenpass/key-prefixes';
import { generateKeyPair } from '@labmesh/rosenpass/mceliece/generate/generate-key-pair';
import { publicRowBytes } from '@labmesh/rosenpass/mceliece/parameters';
import { messageType } from '@labmesh/rosenpass/message/layout';
import { runStep } from '@labmesh/rosenpass/steps/run-step';
import { openOwnKey, openStepContext } from '@labmesh/rosenpass/steps/step-context';
import { ExchangeDriver } from '@labmesh/tunnel/exchange-driver';
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';

const [port = '0', keysDir = '', hubKeyPath = '', count = '0'] = Bun.argv.slice(2);
/** Slower than the hub's thread can answer: all of them at once are `key-exchange-load.test.ts`. */
const joinEveryMs = 20;
const partSize = 50;
const niceness = 10;
const countMax = publicRowBytes * 8;

setPriority(niceness);
const random = (bytes: number) => new Uint8Array(randomBytes(bytes));
const say = (value: object) => console.log(JSON.stringify(value));

if (Number(count) > countMax) throw new Error(`a row has ${countMax} columns, and each node needs its own`);
const hubPublicKey = new Uint8Array(readFileSync(hubKeyPath));
const hubFingerprint = fingerprintOf(hubPublicKey);
const base = await openStepContext(new Map([[hubFingerprint, hubPublicKey]]), random);
const hubKey = { fingerprint: hubFingerprint, prefixes: prefixesOf(base.suites, hubPublicKey) };
const { publicKey, secretKey } = generateKeyPair(random, 'pc');
const own = openOwnKey(base.suites, publicKey, secretKey);

/** Made when it is looked at: two thousand of them would be a gigabyte. */
function publicKeyOf(node: number): Uint8Array {
  const changed = publicKey.slice();
  changed[node >> 3] = (changed[node >> 3] ?? 0) ^ (1 << (node & 7));
  return changed;
}

function describe(node: number) {
  const key = publicKeyOf(node);
  const fingerprint = fingerprintOf(key);
  writeFileSync(join(keysDir, `${fingerprint.slice('sha256:'.length)}.pk`), key);
  return { fingerprint, prefixes: prefixesOf(base.suites, key) };
}

/** Of all nodes, since the last look. */
let exchanges: [node: number, ms: number][] = [];

async function begin(node: number, key: ReturnType<typeof describe>): Promise<void> {
  const { suites } = base;
  const pair = {
    get publicKey() {
      return publicKeyOf(node);
    },
    prefixes: key.prefixes,
    decapsulate: (ciphertext: Uint8Array) => own.decapsulate(ciphertext),
    [Symbol.dispose]: () => {},
  };
  const context = { ...base, ownKeys: new Map([[0, pair]]) };
  const exchange = new KeyExchange({ suites, random, workers: 1, cookie: 'auto' }, systemClock.now());
  exchange.addOwnKey({ index: 0, ...key });
  const pool = { run: async (job: Parameters<typeof runStep>[1]) => runStep(context, job) };
  let askedAt: number | undefined;
  const onNews = ({ effect }: { effect: string }) => {
    if (effect !== 'exchanged' || askedAt === undefined) return;
    exchanges.push([node, Math.round(performance.now() - askedAt)]);
    askedAt = undefined;
  };
  const driver = new ExchangeDriver({ exchange, pool, clock: systemClock, onNews });
  const endpoint = { address: '127.0.0.1', port: Number(port) };
  const socket = await Bun.udpSocket({
    hostname: `127.2.${node >> 8}.${node & 255}`,
    connect: { hostname: endpoint.address, port: endpoint.port },
    binaryType: 'uint8array',
    socket: { data: (_, bytes) => driver.receive(bytes, endpoint), error: () => {} },
  });
  const send = (_: unknown, bytes: Uint8Array) => {
    if (bytes[0] === messageType.initHello) askedAt ??= performance.now();
    socket.send(bytes);
  };
  driver.attach({ send });
  const rest = { ownKey: 0, schedule: 'node', version: 'V03', ciphertext: 'pc188' } as const;
  driver.perform(exchange.addPeer({ id: 'hub', key: hubKey, endpoint, ...rest }, systemClock.now()));
}

const keys: ReturnType<typeof describe>[] = [];
while (keys.length < Number(count)) {
  const part = Array.from({ length: Math.min(partSize, Number(count) - keys.length) }, (_, at) =>
    describe(keys.length + at),
  );
  keys.push(...part);
  say({ fingerprints: part.map(({ fingerprint }) => fingerprint) });
}
for await (const line of linesOf(Bun.stdin.stream())) {
  const { begin: range } = line as { begin?: [from: number, to: number] };
  if (range === undefined) {
    say({ exchanges });
    exchanges = [];
    continue;
  }
  for (let node = range[0]; node < range[1]; node++) {
    await begin(node, keys[node] as (typeof keys)[number]);
    await Bun.sleep(joinEveryMs);
  }
  say({ begun: range });
}
