/** One end of our key exchange over UDP, without a tunnel: what labman and labd run, as a configuration file says. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { systemClock } from '@labmesh/kit/clock';
import type { Endpoint, PeerOptions } from '@labmesh/rosenpass/effects';
import { readKeyText } from '@labmesh/rosenpass/formats/key-text';
import type { RosenpassConfig, RosenpassPeer } from '@labmesh/rosenpass/formats/rosenpass-toml';
import { parseSocketAddress } from '@labmesh/rosenpass/formats/socket-address';
import { openSuites } from '@labmesh/rosenpass/hash/suite';
import { KeyExchange } from '@labmesh/rosenpass/key-exchange';
import { type Datagrams, DialledDatagrams, listenDatagrams, type OnDatagram } from '@labmesh/tunnel/datagrams';
import { ExchangeDriver, type ExchangeNews } from '@labmesh/tunnel/exchange-driver';
import { OurKeys } from './our-keys.ts';

export type Dialect = Pick<PeerOptions, 'version' | 'ciphertext'>;

const random = (bytes: number) => new Uint8Array(randomBytes(bytes));

function toEndpoint(text: string): Endpoint {
  const at = parseSocketAddress(text);
  if (at === undefined) throw new Error(`not an address and port: ${text}`);
  return { address: at.host, port: at.port };
}

/** As a hub that listens, or as a node that dials when the file names no address to listen on. */
async function openDatagrams(listen: readonly string[], onDatagram: OnDatagram): Promise<Datagrams> {
  const [first, ...more] = listen.map(toEndpoint);
  if (first === undefined) return new DialledDatagrams(onDatagram);
  return listenDatagrams([first.address, ...more.map(({ address }) => address)], first.port, onDatagram);
}

async function peerOptions(peer: RosenpassPeer, keys: OurKeys, dialect: Dialect): Promise<PeerOptions> {
  const { publicKey, endpoint, presharedKey } = peer;
  const key = await keys.know(new Uint8Array(readFileSync(publicKey)));
  return {
    id: key.fingerprint,
    key,
    schedule: 'foreign',
    ownKey: 0,
    presharedKey: presharedKey === undefined ? undefined : readKeyText('preshared key', readFileSync(presharedKey)),
    endpoint: endpoint === undefined ? undefined : toEndpoint(endpoint),
    ...dialect,
  };
}

/** What became known of a peer; `peer` is undefined when it is about nobody known. */
export type OnNews = (news: ExchangeNews, peer: { settings: RosenpassPeer; options: PeerOptions } | undefined) => void;

/** Opens the end; the function that it gives begins an exchange with every peer that is ours to begin with. */
export async function openOurEnd(config: RosenpassConfig, dialect: Dialect, onNews: OnNews) {
  const { keyPair, listen } = config;
  if (keyPair === undefined) throw new Error('the file names no own keys');
  await using opening = new AsyncDisposableStack();
  const keys = opening.use(new OurKeys({ privateKeyPath: keyPair.secretKey, publicKeyPath: keyPair.publicKey }));
  const clock = systemClock;
  const suites = await openSuites();
  const exchange = opening.use(new KeyExchange({ suites, random, workers: 1, cookie: 'auto' }, clock.now()));
  exchange.addOwnKey({ index: 0, ...(await keys.own()) });
  const known = await Promise.all(
    config.peers.map(async (settings) => ({ settings, options: await peerOptions(settings, keys, dialect) })),
  );
  const tell = (news: ExchangeNews) =>
    onNews(
      news,
      known.find(({ options }) => options.id === news.peer),
    );
  const driver = opening.use(new ExchangeDriver({ exchange, pool: keys.pool, clock, onNews: tell }));
  driver.attach(opening.use(await openDatagrams(listen, driver.receive)));
  for (const { options } of known) driver.perform(exchange.addPeer(options, clock.now()));
  const opened = opening.move();
  return {
    begin: () => {
      for (const { options } of known) driver.perform(exchange.startExchange(options.id, clock.now()));
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
