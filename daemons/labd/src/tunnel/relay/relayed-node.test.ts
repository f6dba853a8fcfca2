import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { waitFor } from '../../../../../tests/harness/fleet/look.ts';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { system } from '@labmesh/wire/fleet/principal';
import { uuidv7 } from '@labmesh/wire/ids';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { localRoot } from '../../login/testing/callers.ts';
import { openRelayRig, type RelayRig, serveAt } from '../testing/relay-rig.ts';
import { refusedInRule, relayedInPerReplicaMax } from './door-limits.ts';
import { relayedOutMax, relayedOutPerReplicaMax } from './relayed-node.ts';

setDefaultTimeout(60_000);
const soonMs = 20_000;
const mib = 1_024 * 1_024;

let rig: RelayRig;
beforeEach(async () => (rig = await openRelayRig()));
afterEach(() => rig[Symbol.asyncDispose]());

/** A process of the second replica's machine: from the address itself, as the kernel has it for its own. */
function dial(from = `${rig.net}.200`): Socket {
  const socket = connect({ host: `${rig.net}.200`, port: 8_080, localAddress: from, allowHalfOpen: true });
  socket.on('error', () => {});
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => void parts.push(bytes));
  await new Promise<void>((resolve) => {
    socket.once('end', resolve);
    socket.once('close', () => resolve());
  });
  return Buffer.concat(parts);
}

/** What a client that asks by HTTP is told. */
async function ask(socket = dial()) {
  socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: node\r\ncontent-length: 2\r\n\r\n{}');
  const text = (await readAll(socket)).toString();
  const [head = '', body = ''] = text.split('\r\n\r\n');
  return { head, ...(JSON.parse(body) as { error: { code: string; message: string } }).error };
}

/** How a connection ended for its reader: by an end that can be taken for the whole, or a reset. */
const endOf = (socket: Socket) =>
  new Promise<string>((resolve) => {
    socket.on('data', () => {});
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    socket.once('end', () => resolve('end'));
  });

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('H6: a connection to a node of another replica’s hub', () => {
  test('carries all bytes both ways, half-closed in turn; the node sees the hub', async () => {
    const node = await rig.join(1);
    let got: Buffer | undefined;
    let from: string | undefined;
    using _server = await serveAt(node.address, 8_080, (socket) => {
      from = socket.remoteAddress;
      void readAll(socket).then((bytes) => socket.end((got = bytes)));
    });
    await rig.relay(node);
    const sent = randomBytes(5 * mib);
    const socket = dial();
    socket.end(sent);
    const back = await readAll(socket);
    socket.destroy();
    expect([got?.length, back.length]).toEqual([sent.length, sent.length]);
    expect(sha256(back)).toBe(sha256(sent));
    expect(from).toBe(`${rig.net}.1`);
    await waitFor(() => rig.counts.endsOf('asking', 'ok') === 1 && rig.counts.endsOf('holding', 'ok') === 1, soonMs);
    expect(rig.counts.open).toEqual({ asking: 0, holding: 0 });
    expect(rig.counts.bytes).toEqual({ asking: sent.length, holding: sent.length });
  });

  test('goes to the port that the node told at its registration', async () => {
    const node = await rig.join(1, 'replica-1', { proxy_port: 8_081 });
    using usual = await serveAt(node.address, 8_080);
    using told = await serveAt(node.address, 8_081);
    await rig.relay(node);
    const socket = dial();
    socket.write('x');
    await waitFor(() => told.seen.length === 1, soonMs);
    expect(usual.seen).toEqual([]);
    socket.destroy();
  });

  test('a node that does not read holds its client back', async () => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080, (socket) => void socket.pause());
    await rig.relay(node);
    const socket = dial();
    socket.write(Buffer.alloc(64 * mib));
    let [last, still] = [-1, 0];
    await waitFor(() => {
      still = rig.counts.bytes.asking === last && last > 0 ? still + 1 : 0;
      last = rig.counts.bytes.asking;
      return still > 20;
    }, soonMs);
    // A window, and what the system keeps for the node's socket.
    expect(rig.counts.bytes.asking).toBeLessThan(24 * mib);
    expect(server.seen).toHaveLength(1);
    server.seen[0]!.destroy();
    await waitFor(() => rig.counts.open.asking + rig.counts.open.holding === 0, soonMs);
  });

  test.each<[string, (node: Socket, id: string) => void]>([
    ['the node', (node) => void node.resetAndDestroy()],
    ['the link', () => rig.link.close('revoked')],
    ['the hub, whose peer is gone,', (_, id) => rig.door.endPeer(id)],
  ])('%s breaks off, and nobody waits for what does not come', async (_who, cut) => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080);
    await rig.relay(node);
    const socket = dial();
    socket.write('x');
    await waitFor(() => rig.counts.bytes.holding === 1, soonMs);
    cut(server.seen[0]!, node.id);
    await readAll(socket);
    await waitFor(() => socket.closed && server.seen[0]!.closed, soonMs);
    await waitFor(() => rig.counts.open.asking + rig.counts.open.holding === 0, soonMs);
  });

  test.each<[string, (relayed: Disposable, id: string) => void]>([
    ['the address is given up', (relayed) => relayed[Symbol.dispose]()],
    ['the hub’s peer is gone', (_, id) => rig.door.endPeer(id)],
    ['the hub’s replica ends', () => rig.door[Symbol.dispose]()],
  ])('%s: a reset for both ends, so that neither takes what came so far for the whole', async (_why, breakOff) => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080);
    const relayed = await rig.relay(node);
    const socket = dial();
    socket.write('x');
    await waitFor(() => rig.counts.bytes.holding === 1, soonMs);
    const ends = Promise.all([endOf(socket), endOf(server.seen[0]!)]);
    breakOff(relayed, node.id);
    expect(await ends).toEqual(['ECONNRESET', 'ECONNRESET']);
  });

  test('a client that breaks off takes its connection at the node along', async () => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080);
    await rig.relay(node);
    const socket = dial();
    socket.write('x');
    await waitFor(() => rig.counts.bytes.holding === 1, soonMs);
    socket.resetAndDestroy();
    await waitFor(() => server.seen[0]!.closed && rig.counts.open.holding === 0, soonMs);
  });

  test('a replica that never says that it has ended keeps no place for ever', async () => {
    const node = await rig.join(1);
    rig.world.answer = (raw) =>
      raw.sendNow(encodeFrame({ type: 'openOk', channel: raw.id, body: { session: uuidv7(), window: 65_536 } }));
    await rig.relay(node);
    const socket = dial();
    socket.write('x');
    await waitFor(() => rig.counts.bytes.asking === 1, soonMs);
    socket.resetAndDestroy();
    await waitFor(() => rig.counts.open.asking === 0, 40_000);
    expect([rig.link.channels, rig.counts.endsOf('asking', 'failed')]).toEqual([0, 1]);
  });

  test('who is not of this machine gets nothing, and nobody is asked', async () => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080);
    await rig.relay(node);
    const socket = dial('127.0.0.1');
    socket.write('GET / HTTP/1.1\r\n\r\n');
    expect((await readAll(socket)).length).toBe(0);
    expect(rig.counts.endsOf('asking', 'refused')).toBe(1);
    expect([server.seen.length, rig.link.channels]).toEqual([0, 0]);
  });
});

describe('H6: an address that leads nowhere is told so, with the replica and the way out', () => {
  const anyReplica = /replica-1/;

  test('no link to the replica that has the hub; told once, and again when it is back', async () => {
    const node = await rig.join(1);
    using server = await serveAt(node.address, 8_080);
    await rig.relay(node);
    rig.reached.link = undefined;
    const [first, second] = [await ask(), await ask()];
    expect(first.head).toStartWith('HTTP/1.1 503 Service Unavailable\r\n');
    expect(first.head).toContain('retry-after: 5');
    expect(first.code).toBe('node_hub_unreachable');
    expect(first.message).toMatch(anyReplica);
    expect(first.message).not.toContain(rig.net);
    expect(second).toEqual(first);
    rig.reached.link = rig.link;
    const socket = dial();
    socket.write('x');
    await waitFor(() => server.seen.length === 1, soonMs);
    socket.destroy();
    expect(rig.changes).toEqual([first.message, undefined]);
  });

  test('a node that does not answer its hub', async () => {
    await rig.relay(await rig.join(1));
    const { code, message } = await ask();
    expect([code, message.includes('does not answer its hub')]).toEqual(['node_hub_unreachable', true]);
    expect(message).toMatch(anyReplica);
    expect(rig.refused).toEqual([]);
  });

  test('what the other replica says is one short line, and told once for each reason', async () => {
    const node = await rig.join(1);
    const relayed = await rig.relay(node);
    let asked = 0;
    const forged = '\nelsewhere  another 10.90.0.9\u001b[2J\u2028\u202e';
    rig.world.answer = (raw) => raw.close('io', `${asked++}${forged}${'long '.repeat(100)}`);
    const [first, second] = [await ask(), await ask()];
    expect([asked, rig.changes]).toEqual([2, [first.message]]);
    expect(second.message).not.toBe(first.message);
    expect(relayed.error).toBe(first.message);
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(first.message).not.toMatch(/[\u0000-\u001f\u2028\u202e]/);
    expect(first.message).toContain('io, 0 elsewhere  another 10.90.0.9');
    expect(first.message.length).toBeLessThan(500);
    rig.world.answer = (raw) => raw.close('agent-offline', '');
    await ask();
    expect(rig.changes).toHaveLength(2);
  });

  test('a connection that has gone before it could be told why is not counted among those that are told', async () => {
    const relayed = await rig.relay(await rig.join(1));
    let refuse = () => {};
    rig.world.answer = (raw) => (refuse = () => raw.close('io'));
    const ends = endOf(dial());
    await waitFor(() => rig.link.channels === 1, soonMs);
    relayed[Symbol.dispose]();
    expect(await ends).toBe('ECONNRESET');
    refuse();
    await waitFor(() => rig.counts.open.asking === 0, soonMs);
    expect(rig.counts.refusing).toBe(0);
  });

  test('as many connections as there may be', async () => {
    const node = await rig.join(1);
    await rig.relay(node);
    rig.counts.open.asking = relayedOutMax;
    expect(await ask()).toMatchObject({ code: 'node_busy' });
    expect(rig.counts.endsOf('asking', 'limit')).toBe(1);
    rig.counts.open.asking = 0;
    // One replica's nodes leave some to the others'.
    for (let n = 0; n < relayedOutPerReplicaMax; n++) rig.shares.take('replica-1');
    const { code, message } = await ask();
    expect([code, message.includes('replica-1'), rig.shares.take('replica-3')]).toEqual(['node_busy', true, true]);
    for (let n = 0; n < relayedOutPerReplicaMax; n++) rig.shares.giveBack('replica-1');
    expect((await ask()).code).toBe('node_hub_unreachable');
    // Nor are more told why than can be.
    rig.counts.refusing = 10_000;
    expect((await readAll(dial())).length).toBe(0);
    rig.counts.refusing = 0;
  });
});

describe('H6, I4, I9: what another replica may name', () => {
  const principal = system('tunnel-relay');
  const open = async (address: string) => {
    const channel = ChannelEnd.open(rig.link, { type: 'node', principal, address });
    return (await channel.closed).reason;
  };

  test('a node of this hub that its device has, and nothing else', async () => {
    const [own, moved, gone, notYet] = [
      await rig.join(1),
      await rig.join(2, 'replica-3'),
      await rig.join(3),
      await rig.join(4),
    ];
    using server = await serveAt('127.0.0.1', 0);
    await rig.ground.lifecycle.remove(localRoot, gone.node_id ?? '');
    rig.inDevice.delete(notYet.id);
    const [elsewhere, known] = [await rig.join(5), await rig.join(6, 'replica-1', { proxy_port: 22 })];
    rig.inDevice.set(elsewhere.id, `${rig.net}.99`);
    const client = { ...own, id: 'laptop', kind: 'foreign' as const, node_id: null, name: 'laptop' };
    const foreign = {
      ...client,
      address: `${rig.net}.77`,
      wireguard_public_key: 'of a laptop',
      rosenpass_sha256: null,
    };
    await rig.ground.store.write(principal, (tx) => tx.insertInto('tunnel_peers').values(foreign).execute());
    rig.inDevice.set(foreign.id, foreign.address);
    const named = [moved, gone, notYet, foreign, elsewhere, known].map(({ address }) => address);
    const asked = [...named, `${rig.net}.1`, '127.0.0.1', '0.0.0.0', '255.255.255.255', '169.254.169.254'];
    for (const address of asked) expect([address, await open(address)]).toEqual([address, 'agent-offline']);
    expect(rig.refused).toEqual(asked.map((address) => `replica-2 ${address}`));
    expect([server.seen.length, rig.counts.endsOf('holding', 'refused')]).toEqual([0, asked.length]);
    rig.world.hasHub = false;
    expect(await open(own.address)).toBe('agent-offline');
  });

  test('not more of one replica at once than its share of RELAYED_IN, and it does not ask in vain for ever', async () => {
    const many = Array.from({ length: relayedInPerReplicaMax + 3 }, () =>
      ChannelEnd.open(rig.link, { type: 'node', principal, address: '127.0.0.1' }),
    );
    const reasons = await Promise.all(many.map(async ({ closed }) => (await closed).reason));
    expect(reasons.filter((reason) => reason === 'limit')).toHaveLength(3);
    expect(rig.counts.open.holding).toBe(0);
    for (let n = relayedInPerReplicaMax; n < refusedInRule.max; n++) {
      if ((await open('127.0.0.1')) !== 'agent-offline') throw new Error(`${n} is not too many`);
    }
    const { address } = await rig.join(1);
    using _server = await serveAt(address, 8_080);
    expect([await open('127.0.0.1'), await open(address)]).toEqual(['limit', 'limit']);
    expect(rig.refused).toHaveLength(refusedInRule.max);
    await rig.ground.clock.advance(60_001);
    expect(await open('127.0.0.1')).toBe('agent-offline');
  });
});
