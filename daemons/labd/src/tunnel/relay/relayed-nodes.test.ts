import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
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

beforeEach(async () => {
  rig = await openRelayRig();
  [asked, refuses] = [[], () => false];
  nodes = new RelayedNodes({
    store: rig.ground.store,
    replicaId: 'replica-2',
    hub: {
      answerFor: (addresses) => {
        asked.push(addresses);
        return Promise.resolve(new Set([...addresses].filter((address) => !refuses(address))));
      },
    },
    peers: { reach: () => Promise.resolve(undefined) },
    replicas: { others: () => [] },
    counts: rig.counts,
    clock: rig.ground.clock,
    log: silentLogger,
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
    expect([asked.at(-1), seen().map(({ address }) => address)]).toEqual([new Set([two.address]), [two.address]]);
    await nodes.look();
    expect(asked.at(-1)).toEqual(new Set([two.address]));
    taker[Symbol.dispose]();
    await rig.ground.clock.advance(61_000);
    await nodes.look();
    expect(seen()).toHaveLength(2);
  });

  test('nothing goes on when it ends', async () => {
    const node = await rig.join(1);
    nodes.start();
    await waitFor(() => nodes.view().length === 1, 20_000);
    await nodes[Symbol.asyncDispose]();
    expect([asked.at(-1), await answers(node.address)]).toEqual([new Set(), false]);
  });
});
