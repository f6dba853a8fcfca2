import { thrower } from '@labmesh/wire/testing/errors';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '@labmesh/kit/log';
import { ChannelEnd } from '@labmesh/link/channel-end';
import { Link } from '@labmesh/link/link';
import { testHello } from '@labmesh/link/testing/link-pair';
import { MemorySocket } from '@labmesh/link/testing/socket-pair';
import { sampleCa, sampleDomain } from '@labmesh/pki/testing/sample-ca';
import type { PeerIdentity } from '@labmesh/pki/verify-peer';
import { waitFor } from '../../../../tests/harness/fleet/look.ts';
import type { AgentHub } from '../hub/agent-hub.ts';
import { PeerLinks } from './peer-links.ts';

const identityOf = (serial: string): PeerIdentity => ({
  uri: `spiffe://labmesh.internal/labd/${serial}`,
  trustDomain: 'labmesh.internal',
  kind: 'labd',
  id: serial,
  serial,
  keyHash: `key of ${serial}`,
  issuerKey: '',
  notBefore: 0,
  notAfter: Infinity,
  isExpired: false,
});

const ca = await sampleCa();
const server = await ca.leaf('labd', 'r2');
const client = await ca.leaf('labd', 'r1');
const serverUri = `spiffe://${sampleDomain}/labd/r2`;

let denied: Set<string>;
let version: number;
let changed: () => void;
let ended: string[][];
/** Nodes that were asked for, and by whom. */
let asked: string[];
let peers: PeerLinks;

/** As the deny list does: the version rises before anybody is told. */
function deny(serial: string): void {
  denied.add(serial);
  version++;
}

beforeEach(() => {
  [denied, version, ended, asked] = [new Set(), 0, [], []];
  peers = new PeerLinks({
    hub: {} as unknown as AgentHub,
    denyList: {
      get version() {
        return version;
      },
      check: ({ serial = '', identity = '' }) => (denied.has(serial) || denied.has(identity) ? 'serial' : undefined),
      onChange: (fn) => {
        changed = fn;
        return () => undefined;
      },
    },
    identity: () => ({
      keyPem: client.key.privatePem,
      certPem: client.certificatePem + ca.chainPem,
      bundlePem: ca.bundlePem,
    }),
    trustDomain: sampleDomain,
    now: () => Date.now(),
    replicaId: 'r1',
    version: '1.0.0',
    onEndSessions: (sessions) => void ended.push([...sessions]),
    onDenials: () => undefined,
    onNode: (raw, { address }, { kind, id }) => {
      asked.push(`${kind} ${id} ${address}`);
      raw.close('agent-offline');
    },
    others: () => [],
    log: silentLogger,
  });
});
afterEach(() => peers[Symbol.asyncDispose]());

/** Another replica, as it comes in by /ws/peer. */
function connect(serial: string) {
  const [ours, theirs] = MemorySocket.pair();
  const closed = Promise.withResolvers<number>();
  peers.accept(ours, identityOf(serial));
  const link = new Link(theirs, { closed: (_link, code) => closed.resolve(code) }, { side: 'odd' });
  const greeted = link.hello({ ...testHello, kind: 'labd', serverId: 'r2' });
  greeted.catch(() => undefined);
  return { link, greeted, closed: closed.promise };
}

describe('CA-8 LD-4 a replica whose certificate is denied', () => {
  test('is cut at the change, and others are not', async () => {
    const [stolen, good] = [connect('stolen'), connect('good')];
    await Promise.all([stolen.greeted, good.greeted]);
    deny('stolen');
    changed();
    expect(await stolen.closed).toBe(4403);
    expect(good.link.isUp).toBe(true);
  });

  test('is cut at its next frame, before anybody was told, and the frame does nothing', async () => {
    const { link, greeted, closed } = connect('stolen');
    await greeted;
    deny('stolen');
    link.sendMsg({ kind: 'end-sessions', sessions: ['s1'], reason: 'killed' });
    expect(await closed).toBe(4403);
    expect(ended).toEqual([]);
  });

  test('reaches no node; one that is not denied asks by its own name, whatever it says (tunnel H6)', async () => {
    const [stolen, good] = [connect('stolen'), connect('good')];
    await Promise.all([stolen.greeted, good.greeted]);
    deny('stolen');
    const first = {
      type: 'node',
      principal: { kind: 'local', id: 'root', name: 'root' },
      address: '10.90.0.3',
    } as const;
    for (const { link } of [stolen, good]) ChannelEnd.open(link, first);
    expect(await stolen.closed).toBe(4403);
    await waitFor(() => asked.length > 0, 20_000);
    expect(asked).toEqual(['labd good 10.90.0.3']);
  });

  test('is not greeted when it was denied after the look at its upgrade', async () => {
    denied.add('stolen');
    const { greeted, closed } = connect('stolen');
    expect(await closed).toBe(4403);
    expect(await thrower(greeted)).toThrow();
  });
});

test.each([
  [true, ''],
  [false, 'GET'],
])('CA-8 a replica that is denied (%p) hears of us on dialling: %p', async (isDenied, expected) => {
  if (isDenied) denied.add(serverUri);
  let heard = '';
  const listener = createServer({ key: server.key.privatePem, cert: server.certificatePem + ca.chainPem }, (socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      heard += bytes.toString().slice(0, 3);
      socket.destroy();
    });
  });
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const { port } = listener.address() as AddressInfo;
  expect(await peers.reach('r2', `https://127.0.0.1:${port}`)).toBeUndefined();
  expect(heard).toBe(expected);
  listener.close();
});
