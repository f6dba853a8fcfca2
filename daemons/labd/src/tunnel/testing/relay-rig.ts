/**
 * Two replicas in one process, on one store and one link, each with its end of the relay: a node that is registered at the
 * first is asked for at the second. All addresses are loopback's, and nobody else's: a /24 of its own for each rig.
 */
import { randomInt } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { silentLogger } from '@labmesh/kit/log';
import type { NodeFirst } from '@labmesh/link/first-frame';
import { Link, type LinkHandlers } from '@labmesh/link/link';
import type { RawChannel } from '@labmesh/link/raw-channel';
import { memorySockets } from '@labmesh/link/memory-socket';
import { testHello, testHelloOk } from '@labmesh/link/testing/link-pair';
import { localRoot } from '../../login/testing/callers.ts';
import { newNodeToken, openNodeGround, registration } from '../../nodes/testing/node-ground.ts';
import { keysOf, RememberingTunnel } from '../../nodes/testing/remembering-tunnel.ts';
import { NodeDoor } from '../relay/node-door.ts';
import { RelayCounts } from '../relay/relay-counts.ts';
import { RelayedNode, relayedOutPerReplicaMax } from '../relay/relayed-node.ts';
import { ReplicaShares } from '../relay/replica-shares.ts';

const who = { kind: 'labd', id: 'replica-2', name: 'replica-2' } as const;

/** A server at an address of this rig; `seen` are its connections, which echo unless `take` says otherwise. */
export async function serveAt(host: string, port: number, take = (socket: Socket) => void socket.pipe(socket)) {
  const seen: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    seen.push(socket);
    socket.on('error', () => {});
    take(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  const close = () => {
    for (const socket of seen) socket.destroy();
    server.close();
  };
  return { seen, [Symbol.dispose]: close };
}

/** The link between the two: who asks, and who has the hub. */
async function linkedBy(take: (raw: RawChannel, first: NodeFirst) => void): Promise<[Link, Link]> {
  const [near, far] = memorySockets();
  const handlers: LinkHandlers = {
    hello: (link) => link.accept(testHelloOk),
    peerFirst: (_link, raw, first) => (first.type === 'node' ? take(raw, first) : raw.close('denied')),
  };
  const holder = new Link(far, handlers, { side: 'even', channelsMax: 4_096 });
  const link = new Link(near, {}, { side: 'odd', channelsMax: 4_096 });
  await link.hello({ ...testHello, kind: 'labd' });
  return [link, holder];
}

export async function openRelayRig() {
  await using opening = new AsyncDisposableStack();
  const net = `127.${randomInt(20, 250)}.${randomInt(1, 250)}`;
  const ground = opening.use(await openNodeGround({ tunnel: new RememberingTunnel(), range: `${net}.0/24` }));
  /** Registers a node at a replica; its row. */
  const join = async (seed: number, replicaId = 'replica-1', more: Record<string, unknown> = {}) => {
    const request = registration(await newNodeToken(ground), { ...keysOf(seed), ...more });
    const { answer } = await ground.replica(replicaId).registry.register(request);
    const address = answer.wireguard_address?.split('/')[0] ?? '';
    const row = await ground.store.read(localRoot.principal, (db) =>
      db.selectFrom('tunnel_peers').selectAll().where('address', '=', address).executeTakeFirstOrThrow(),
    );
    inDevice.set(row.id, row.address);
    return row;
  };
  /** Addresses by the row's id. */
  const inDevice = new Map<string, string>();
  const refused: string[] = [];
  const counts = new RelayCounts();
  /** `answer`: the first replica does this instead of what it is to do. */
  const world = { hasHub: true, answer: undefined as ((raw: RawChannel) => void) | undefined };
  const door = opening.use(
    new NodeDoor({
      store: ground.store,
      replicaId: 'replica-1',
      hub: () => (world.hasHub ? { tunnelAddress: `${net}.1`, peerAddress: (id) => inDevice.get(id) } : undefined),
      onRefused: ({ id }, address) => void refused.push(`${id} ${address}`),
      counts,
      clock: ground.clock,
      log: silentLogger,
    }),
  );
  /** A node has its address twice here, its own and the one it is answered at: the second ends in .200. */
  const ownOf = new Map<string, string>();
  const [link, holder] = await linkedBy((raw, first) => {
    if (world.answer !== undefined) return world.answer(raw);
    door.take(raw, { ...first, address: ownOf.get(first.address) ?? first.address }, who);
  });
  opening.defer(() => [link, holder].forEach((one) => one.close('goingAway')));
  const owned = opening.move();
  const changes: (string | undefined)[] = [];
  const shares = new ReplicaShares(relayedOutPerReplicaMax);
  const reached = { link: link as Link | undefined };
  /** The node of this row as the second replica answers for it. */
  const relay = async ({ id, name, address }: { id: string; name: string; address: string }) => {
    const place = { id, name, address: `${net}.200`, port: 8_080, replicaId: 'replica-1' };
    ownOf.set(place.address, address);
    const reach = () => Promise.resolve(reached.link);
    const onChange = (_: unknown, error: string | undefined) => void changes.push(error);
    return owned.use(await RelayedNode.listen(place, { reach, counts, shares, onChange }));
  };
  return {
    net,
    ground,
    join,
    inDevice,
    refused,
    counts,
    world,
    door,
    link,
    reached,
    changes,
    shares,
    relay,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
export type RelayRig = Awaited<ReturnType<typeof openRelayRig>>;
