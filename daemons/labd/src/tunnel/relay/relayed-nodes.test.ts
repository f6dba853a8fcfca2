import { connect, createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { createLogger } from '@labmesh/kit/log';
import { waitFor } from '../../../../../tests/harness/fleet/look.ts';
import { localRoot } from '../../login/testing/callers.ts';
import { openRelayRig, type RelayRig, serveAt } from '../testing/relay-rig.ts';
import { RelayedNodes } from './relayed-nodes.ts';

setDefaultTimeout(60_000);

let rig: RelayRig;
let nodes: RelayedNodes;
/** What the device was asked to answer for, each time. */
let asked: ReadonlySet<string>[];
/** What it does not answer for: a peer's, or all while it is gone. */
let refuses: (address: string) => boolean;
/** Done once, before the device answers next. */
let first: () => void;
let warnings: string[];

beforeEach(async () => {
  rig = await openRelayRig();
  [asked, refuses, first, warnings] = [[], () => false, () => {}, []];
  const write = (line: string) => void warnings.push(line);
  nodes = new RelayedNodes({
    store: rig.ground.store,
    replicaId: 'replica-2',
    hub: {
      answerFor: (addresses) => {
        asked.push(addresses);
        first();
        first = () => {};
        return Promise.resolve(new Set([...addresses].filter((address) => !refuses(address))));
      },
    },
    peers: { reach: () => Promise.resolve(undefined) },
    replicas: { others: () => [] },
    counts: rig.counts,
    clock: rig.ground.clock,
    log: createLogger({ level: 'warn', format: 'json', write }),
  });
});
afterEach(async () => {
  await nodes[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

const answers = (host: string, port = 8_080) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host, port }, () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
const seen = () => nodes.view().map(({ name, address, port, replicaId }) => ({ name, address, port, replicaId }));

describe('H6: nodes of other hubs', () => {
  test('are answered here, at the port that each told; those of this hub are not', async () => {
    const [one, two] = [await rig.join(1), await rig.join(2, 'replica-3', { proxy_port: 8_081 })];
    const own = await rig.join(3, 'replica-2');
    await nodes.look();
    expect(seen()).toEqual([
      { name: one.name, address: one.address, port: 8_080, replicaId: 'replica-1' },
      { name: two.name, address: two.address, port: 8_081, replicaId: 'replica-3' },
    ]);
    expect([await answers(one.address), await answers(two.address, 8_081)]).toEqual([true, true]);
    expect([await answers(two.address), await answers(own.address)]).toEqual([false, false]);
    expect(rig.counts.nodes).toBe(2);
  });

  test('one that moves here is the hub’s own before anything else; one that is removed is gone', async () => {
    const [moves, leaves] = [await rig.join(1), await rig.join(2)];
    await nodes.look();
    await rig.ground.store.write(localRoot.principal, (tx) =>
      tx.updateTable('tunnel_peers').set({ replica_id: 'replica-2' }).where('id', '=', moves.id).execute(),
    );
    await rig.ground.lifecycle.remove(localRoot, leaves.node_id ?? '');
    await nodes.look();
    expect([seen(), asked.at(-1)]).toEqual([[], new Set()]);
    expect([await answers(moves.address), await answers(leaves.address)]).toEqual([false, false]);
  });

  test('one that moves to another replica, or to another port, is answered anew', async () => {
    const { id, name, address } = await rig.join(1);
    await nodes.look();
    for (const port of [8_080, 9_000]) {
      const set = { replica_id: 'replica-3', proxy_port: port };
      await rig.ground.store.write(localRoot.principal, (tx) =>
        tx.updateTable('tunnel_peers').set(set).where('id', '=', id).execute(),
      );
      await nodes.look();
      expect(seen()).toEqual([{ name, address, port, replicaId: 'replica-3' }]);
    }
    expect([await answers(address), await answers(address, 9_000)]).toEqual([false, true]);
  });

  test('an address that the device keeps for a peer, or has no more, is not listened at', async () => {
    const [one, two] = [await rig.join(1), await rig.join(2)];
    refuses = (address) => address === one.address;
    await nodes.look();
    expect(seen().map(({ address }) => address)).toEqual([two.address]);
    refuses = () => true;
    await nodes.look();
    expect([seen(), await answers(two.address)]).toEqual([[], false]);
  });

  test('a port that something here has: the address is given up, lest that be taken for the node, and tried later', async () => {
    const [one, two] = [await rig.join(1), await rig.join(2)];
    const taker = await serveAt(one.address, 8_080);
    await nodes.look();
    await nodes.look();
    // Not for a moment: whoever asked then would have got the other service's answer.
    expect(asked).toEqual([new Set([two.address]), new Set([two.address])]);
    expect([seen().map(({ address }) => address), warnings.length]).toEqual([[two.address], 1]);
    taker[Symbol.dispose]();
    await rig.ground.clock.advance(61_000);
    await nodes.look();
    expect(seen()).toHaveLength(2);
  });

  test('a service on all addresses is never taken for the node: it keeps its port', async () => {
    const service = createServer();
    await new Promise<void>((resolve) => service.listen({ host: '0.0.0.0', port: 0 }, resolve));
    const { port } = service.address() as AddressInfo;
    await rig.join(1, 'replica-1', { proxy_port: port });
    await nodes.look();
    expect([asked, seen()]).toEqual([[new Set()], []]);
    service.close();
  });

  test('a listener that finds its port taken after all is given up; one without its route is tried at the next look', async () => {
    const [one, two] = [await rig.join(1), await rig.join(2)];
    let taker: Disposable | undefined;
    const taking = Promise.withResolvers<void>();
    first = () =>
      void serveAt(one.address, 8_080).then((server) => {
        taker = server;
        taking.resolve();
      });
    await nodes.look();
    await taking.promise;
    expect([asked.at(-1), seen().map(({ address }) => address)]).toEqual([new Set([two.address]), [two.address]]);
    taker?.[Symbol.dispose]();
    // TEST-NET: nothing here has it.
    const set = { address: '198.51.100.9' };
    await rig.ground.store.write(localRoot.principal, (tx) =>
      tx.updateTable('tunnel_peers').set(set).where('id', '=', two.id).execute(),
    );
    await nodes.look();
    await nodes.look();
    const tried = asked.filter((addresses) => addresses.has(set.address));
    expect([tried.length, seen(), warnings.length]).toEqual([2, [], 1]);
  });

  test('a port of known services is not for a node to name: it is not relayed, and the log names the node, once', async () => {
    const { name } = await rig.join(1, 'replica-1', { proxy_port: 1_023 });
    const usual = await rig.join(2, 'replica-1', { proxy_port: 1_024 });
    for (let n = 0; n < 3; n++) await nodes.look();
    expect(asked.at(-1)).toEqual(new Set([usual.address]));
    expect(warnings).toHaveLength(1);
    expect(JSON.parse(warnings[0] ?? '')).toMatchObject({ node: name, port: 1_023 });
  });

  test('an address that the own hub takes is dropped at once, with a reset, and by a look that is under way, too', async () => {
    const node = await rig.join(1);
    await nodes.look();
    const client = connect({ host: node.address, port: 8_080, localAddress: node.address });
    const code = new Promise<string | undefined>((resolve) => {
      client.once('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    await waitFor(() => nodes.view()[0]?.connections === 1 || rig.counts.refusing === 1, 20_000);
    nodes.taken(node.address);
    expect([await code, seen(), await answers(node.address)]).toEqual(['ECONNRESET', [], false]);
    first = () => nodes.taken(node.address);
    await nodes.look();
    expect([seen(), await answers(node.address)]).toEqual([[], false]);
    await nodes.look();
    expect(seen()).toHaveLength(1);
  });

  test('nothing goes on when it ends', async () => {
    const node = await rig.join(1);
    nodes.start();
    await waitFor(() => nodes.view().length === 1, 20_000);
    await nodes[Symbol.asyncDispose]();
    expect([asked.at(-1), await answers(node.address)]).toEqual([new Set(), false]);
  });
});
