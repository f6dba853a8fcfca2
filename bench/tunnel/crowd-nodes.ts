/**
 * `HUBPORT KEYSDIR HUBKEYFILE COUNT`: that many nodes in one process, each a real key exchange from an address of its own;
 * nicer than the hub, which must not wait for them. JSON lines:
 *
 *     {"fingerprints"}            a part of them, as they are made, so that the hub learns them meanwhile
 *     {"begin": [from, to]}  ─►   {begun}, after these nodes have begun one after another
 *     {"look": true}         ─►   {exchanges}: [node, ms from its first InitHello to its key], and {lateMs} of this process,
 *                                 both since the last look
 */
import { getPriority, setPriority } from 'node:os';
import { systemClock } from '@labmesh/kit/clock';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import { messageType } from '@labmesh/rosenpass/message/layout';
import { runStep } from '@labmesh/rosenpass/steps/run-step';
import { ExchangeDriver } from '@labmesh/tunnel/exchange-driver';
import { linesOf } from '../../tests/harness/tunnel/json-process.ts';
import { type FakeNodeKey, nodesMax, openFakeNodeKeys, random } from './fake-node-keys.ts';
import { Lateness } from './lateness.ts';

const [port = '0', keysDir = '', hubKeyPath = '', count = '0'] = Bun.argv.slice(2);
/** Slower than the hub's thread can answer: all of them at once are `key-exchange-load.test.ts`. */
const joinEveryMs = 20;
/** The second exchange of each is somewhere in these, as if they had come over two minutes: not all together for ever. */
const spreadMs = 110_000;
const partSize = 50;
const niceness = 10;

const say = (value: object) => console.log(JSON.stringify(value));

setPriority(getPriority() + niceness);
if (Number(count) > nodesMax) throw new Error(`there are keys for ${nodesMax} nodes`);
const fakes = await openFakeNodeKeys(hubKeyPath, keysDir);
const keys: FakeNodeKey[] = [];
while (keys.length < Number(count)) {
  const size = Math.min(partSize, Number(count) - keys.length);
  const part = Array.from({ length: size }, (_, at) => fakes.describe(keys.length + at));
  keys.push(...part);
  say({ fingerprints: part.map(({ fingerprint }) => fingerprint) });
}

const lateness = new Lateness();
/** Of all nodes, since the last look. */
let exchanges: [node: number, ms: number][] = [];

async function begin(node: number, key: FakeNodeKey): Promise<void> {
  const context = fakes.context(node, key);
  const exchange = new KeyExchange({ suites: context.suites, random, workers: 1, cookie: 'auto' }, systemClock.now());
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
  driver.perform(exchange.addPeer({ id: 'hub', key: fakes.hubKey, endpoint, ...rest }, systemClock.now()));
  const again = () => driver.perform(exchange.startExchange('hub', systemClock.now()));
  setTimeout(again, spreadMs * Math.random());
}

for await (const line of linesOf(Bun.stdin.stream())) {
  const { begin: range } = line as { begin?: [from: number, to: number] };
  if (range === undefined) {
    say({ exchanges, lateMs: lateness.take() });
    exchanges = [];
    continue;
  }
  for (const [at, key] of keys.slice(...range).entries()) {
    await begin(range[0] + at, key);
    await Bun.sleep(joinEveryMs);
  }
  say({ begun: range });
}
// Whoever asked is gone.
process.kill(process.pid);
