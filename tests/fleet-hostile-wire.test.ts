/**
 * Bytes that no client of ours would send (LD-3, HB-2, HB-3, acceptance 6): requests, frames, and connections that say
 * nothing. Each is ended with an answer, a code or in silence; labd goes on for the others and does not grow.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { FrameSocket } from '@labmesh/link/frame-socket';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { enrolMachine, enrolUser, type Identity, type Machine } from './harness/fleet/fleet-identities.ts';
import { dialSocket, helloOf, machineLink, upgradeStatus } from './harness/fleet/fleet-sockets.ts';
import { type ClientIdentity, type Door, doorOf, HttpsLine, openSocket } from './harness/raw-https.ts';
import { type RunningLabd, startLabd } from './harness/start-labd.ts';

const requests = Number(process.env['LABMESH_FUZZ'] ?? 240);
const held = { plain: 700, silent: 40, refused: 40 };
const growthMibMax = 60;

let labd: RunningLabd;
let admin: Identity;
let agent: Machine;
/** Opened at the beginning, looked at in the end: what labd does with connections that say nothing. */
let silent: { name: string; ended: Promise<unknown>; isOver: () => boolean }[];
let rssBefore: number;

beforeAll(async () => {
  const limits = '[limits]\nanonymous_per_min = 10000000\nprincipal_per_min = 10000000\n';
  labd = await startLabd({ toml: `${limits}[hub]\naccepts_per_s = 20` });
  admin = await enrolUser(labd, 'ada', ['admin']);
  agent = await enrolMachine(labd, 'agent', 'web-1');
  await stillServes();
  rssBefore = rssMib();
  silent = await holdSilently();
}, 40_000);
afterAll(async () => {
  await labd[Symbol.asyncDispose]();
});

const doors = (): Record<string, Door> => ({
  api: doorOf(labd.api),
  agents: doorOf(labd.agents),
  socket: { socket: labd.socket },
});
const rssMib = () => {
  const status = readFileSync(`/proc/${labd.daemon.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
};

async function stillServes(): Promise<void> {
  for (const [name, identity] of [
    ['api', admin],
    ['agents', agent],
    ['socket', undefined],
  ] as const) {
    using line = new HttpsLine(doors()[name]!, identity);
    expect((await line.call('GET', '/healthz')).body).toBe('ok');
  }
  using line = new HttpsLine(doors()['api']!, admin);
  expect((await line.call('GET', '/api/servers')).json()['items']).toHaveLength(1);
}

/** A socket and when it is over. */
function watched(name: string, socket: Pick<Socket, 'on'>) {
  let isOver = false;
  const ended = new Promise<unknown>((resolve) => {
    socket.on('error', () => {});
    socket.on('close', () => resolve((isOver = true)));
  });
  return { name, ended, isOver: () => isOver };
}

async function holdSilently() {
  const { host, port } = doors()['agents'] as { host: string; port: number };
  const found = [];
  for (let n = 0; n < held.plain; n++) found.push(watched('before TLS', connect({ host, port })));
  // Handshakes that are young are not ended for others; a second later the slowest make room.
  await Bun.sleep(1_200);
  for (let n = 0; n < held.silent; n++) {
    const socket = await openSocket(doors()['agents']!, n % 2 === 0 ? agent : undefined);
    if (n % 4 > 1) socket.write('GET /healthz HTTP/1.1\r\nhost: localh');
    found.push(watched('half a head', socket.resume()));
  }
  const head = 'GET /ws/agent HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  for (let n = 0; n < held.refused; n++) {
    const socket = await openSocket(doors()['agents']!);
    // Never closes its own side, whatever it hears; what it writes later finds nobody.
    socket.allowHalfOpen = true;
    socket.write(head);
    setTimeout(() => socket.write('x'), 4_000);
    setTimeout(() => socket.write('x'), 5_000);
    found.push(watched('refused upgrade', socket.resume()));
  }
  return found;
}

/** Sends bytes and waits for the end, an answer, or nothing for a moment. */
async function throwAt(door: Door, bytes: Uint8Array | string, identity?: ClientIdentity): Promise<string> {
  const socket = await openSocket(door, identity);
  let heard = '';
  const over = Promise.withResolvers<void>();
  socket.on('data', (part: Buffer) => {
    heard += part.toString('latin1');
    over.resolve();
  });
  socket.on('error', () => over.resolve());
  socket.on('close', () => over.resolve());
  socket.write(bytes);
  await Promise.race([over.promise, Bun.sleep(150)]);
  socket.destroy();
  return heard;
}

const good = [
  'GET /api/servers?limit=10 HTTP/1.1\r\nhost: localhost\r\nx-request-id: fuzz\r\n\r\n',
  'POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 28\r\n\r\n{"user":"ada","password":"x"}',
  'POST /api/auth/enroll HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
  'GET /ws/client HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: labmesh.client.v1\r\n\r\n\x82\x85abcd\x01\x02\x03',
].map((text) => Buffer.from(text, 'latin1'));

/** A good request with some bytes changed, lost, doubled or put in. */
const mutated = fc
  .tuple(
    fc.constantFrom(...good),
    fc.array(fc.tuple(fc.nat(), fc.constantFrom('set', 'cut', 'put', 'double'), fc.uint8Array({ maxLength: 12 })), {
      minLength: 1,
      maxLength: 6,
    }),
  )
  .map(([start, changes]) =>
    changes.reduce((bytes, [where, how, with_]) => {
      const at = where % (bytes.length + 1);
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
      if (how === 'cut') return Buffer.concat([before, after.subarray(with_.length)]);
      if (how === 'put') return Buffer.concat([before, with_, after]);
      if (how === 'double') return Buffer.concat([before, after, after]);
      return Buffer.concat([before, with_, after.subarray(with_.length)]);
    }, start),
  );

test('mutated requests on all three doors are answered below 500 or ended', async () => {
  const seen = new Map<string, number>();
  for (const [name, door] of Object.entries(doors())) {
    const inputs = fc.sample(mutated, requests / 3);
    for (let n = 0; n < inputs.length; n += 8) {
      const heard = await Promise.all(
        inputs
          .slice(n, n + 8)
          .map((bytes, i) => throwAt(door, bytes, i % 2 === 0 && name !== 'socket' ? admin : undefined)),
      );
      for (const text of heard) {
        const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 'ended';
        seen.set(status, (seen.get(status) ?? 0) + 1);
        expect(Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)).toBeLessThan(500);
      }
    }
  }
  expect(seen.size).toBeGreaterThan(2);
  await stillServes();
}, 60_000);

describe('requests that mean two things', () => {
  const host = 'host: localhost\r\n';
  test.each([
    [
      'both lengths',
      `POST /api/auth/login HTTP/1.1\r\n${host}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /ca/pin HTTP/1.1\r\n${host}\r\n`,
    ],
    ['two lengths', `POST /api/auth/login HTTP/1.1\r\n${host}content-length: 6\r\ncontent-length: 5\r\n\r\nabcdef`],
    ['a length below nothing', `POST /api/auth/login HTTP/1.1\r\n${host}content-length: -1\r\n\r\n`],
    ['two hosts', `GET /healthz HTTP/1.1\r\n${host}host: evil.example\r\n\r\n`],
    ['a space in a name', `GET /healthz HTTP/1.1\r\n${host}x y: z\r\n\r\n`],
    ['a NUL', `GET /healthz HTTP/1.1\r\n${host}x: a\0b\r\n\r\n`],
    ['another language', 'SSH-2.0-OpenSSH_9.9\r\n'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['headers above 16 KiB', `GET /healthz HTTP/1.1\r\n${host}x: ${'y'.repeat(20_000)}\r\n\r\n`],
    ['three thousand headers', `GET /healthz HTTP/1.1\r\n${host}${'a: b\r\n'.repeat(3_000)}\r\n`],
    ['CONNECT', `CONNECT evil.example:443 HTTP/1.1\r\n${host}\r\n`],
  ])('%s: never a 2xx', async (_name, text) => {
    for (const door of ['api', 'agents'] as const) {
      expect(await throwAt(doors()[door]!, Buffer.from(text, 'latin1'))).not.toMatch(/^HTTP\/1\.1 2/);
    }
  });
});

describe('frames', () => {
  /** A greeted client socket by hand, and how it ends. */
  async function client(greet = true) {
    const socket = await dialSocket(doors()['api']!, '/ws/client', { identity: admin });
    if (typeof socket === 'number') throw new Error(`the upgrade was answered by ${socket}`);
    const closed = Promise.withResolvers<number>();
    const up = Promise.withResolvers<void>();
    socket.owner = { onMessage: () => up.resolve(), onDrain: () => {}, onClose: (code) => closed.resolve(code) };
    if (greet) {
      socket.send(encodeFrame({ type: 'hello', channel: 0, body: helloOf('client') }));
      await up.promise;
    }
    return { socket, closed: closed.promise };
  }
  const ends = async (send: (socket: FrameSocket) => void, greet = true) => {
    const { socket, closed } = await client(greet);
    send(socket);
    return closed;
  };
  const bytes = (...list: number[]) => Uint8Array.from(list);

  test('too large is 1009, what is no frame 4400, before HELLO as after it', async () => {
    expect(await ends((one) => one.send(new Uint8Array(frameLimits.messageBytesMax + 1)))).toBe(1009);
    expect(await ends((one) => one.send(new Uint8Array(frameLimits.messageBytesMax + 1)), false)).toBe(1009);
    for (const frame of [
      bytes(),
      bytes(1),
      bytes(0x7f, 0, 0, 0, 1),
      bytes(2, 0, 0, 0, 0),
      bytes(5, 0, 0, 0, 0, 0x7b),
    ]) {
      expect(await ends((one) => one.send(frame))).toBe(4400);
    }
    const ping = encodeFrame({ type: 'ping', channel: 0, value: 1n });
    expect(await ends((one) => one.send(ping), false)).toBe(4400);
    const hello = encodeFrame({ type: 'hello', channel: 0, body: helloOf('client') });
    expect(await ends((one) => one.send(hello))).toBe(4400);
    const kinds = ['agent', 'labd', 'bastion'] as const;
    for (const kind of kinds) {
      const other = encodeFrame({ type: 'hello', channel: 0, body: helloOf(kind) });
      expect(await ends((one) => one.send(other), false)).toBe(4426);
    }
  });

  test('text is refused', async () => {
    const { host, port } = doors()['api'] as { host: string; port: number };
    const ws = new WebSocket(`wss://${host}:${port}/ws/client`, ['labmesh.client.v1'], {
      rejectUnauthorized: false,
      key: admin.keyPem,
      cert: admin.certPem,
    });
    const code = await new Promise((resolve) => {
      ws.on('open', () => ws.send('hello'));
      ws.on('close', resolve);
    });
    expect(code).toBe(4400);
  });

  test('random frames end their own socket and nothing else', async () => {
    const agentLink = await machineLink(doors()['agents']!, 'agent', { identity: agent, serverId: agent.serverId });
    if (typeof agentLink === 'number') throw new Error(`the agent was answered ${agentLink}`);
    for (let round = 0; round < 25; round++) {
      const { socket } = await client();
      for (let n = 0; n < 60; n++) {
        const type = [8, 9, 10, 16, 17, 18, 19, 20, 21, 22, 128 + n][n % 11]!;
        const head = Buffer.from([type, 0, 0, 0, (n % 7) * 2 + 1]);
        socket.send(Buffer.concat([head, randomBytes(n * 3)]));
      }
      socket.close(1000, '');
    }
    expect(agentLink.isUp).toBe(true);
    agentLink.close('goingAway');
    await stillServes();
  }, 90_000);

  test('300 channels: what is above the limit is refused, the others are not', async () => {
    const { socket, closed } = await client();
    let answers = 0;
    const all = Promise.withResolvers<void>();
    socket.owner!.onMessage = () => {
      if (++answers === 300) all.resolve();
    };
    for (let n = 0; n < 300; n++) {
      const body = { kind: 'exec', server: 'nobody', argv: ['true'] };
      socket.send(encodeFrame({ type: 'open', channel: n * 2 + 1, body }));
    }
    await Promise.race([all.promise, closed]);
    expect(answers).toBe(300);
    socket.close(1000, '');
    await stillServes();
  });
});

test('HB-11 strangers who knock take no turns of those who may come in', async () => {
  const strangers = Array.from({ length: 150 }, () => upgradeStatus(doors()['agents']!, '/ws/agent'));
  const known: number[] = [];
  for (let n = 0; n < 5; n++) known.push(await upgradeStatus(doors()['agents']!, '/ws/agent', { identity: agent }));
  expect(known).toEqual([101, 101, 101, 101, 101]);
  expect(new Set(await Promise.all(strangers))).toEqual(new Set([401]));
}, 90_000);

test('HB-3 who never says HELLO is closed 4408 in ten seconds', async () => {
  const sockets = await Promise.all([
    dialSocket(doors()['agents']!, '/ws/agent', { identity: agent }),
    dialSocket(doors()['api']!, '/ws/client', { identity: admin }),
  ]);
  const codes = sockets.map((socket) => {
    if (typeof socket === 'number') throw new Error(`the upgrade was answered by ${socket}`);
    return new Promise((resolve) => {
      socket.owner = { onMessage: () => {}, onDrain: () => {}, onClose: resolve };
    });
  });
  expect(await Promise.all(codes)).toEqual([4408, 4408]);
}, 90_000);

test('connections that say nothing are ended, and labd has not grown', async () => {
  const late = Bun.sleep(14_000).then(() => 'late');
  await Promise.race([Promise.all(silent.map(({ ended }) => ended)), late]);
  const left = Object.groupBy(
    silent.filter(({ isOver }) => !isOver()),
    ({ name }) => name,
  );
  expect(Object.fromEntries(Object.entries(left).map(([name, list]) => [name, list?.length]))).toEqual({});
  await stillServes();
  const grown = rssMib() - rssBefore;
  console.log(`${silent.length} silent connections, ${requests} mutated requests: RSS ${grown.toFixed(1)} MiB`);
  expect(grown).toBeLessThan(growthMibMax);
  expect(labd.daemon.said).not.toContain('nobody foresaw');
  expect(labd.daemon.said).not.toContain('handler of');
}, 90_000);
