import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { sampleCa, type SampleCa, type SampleLeaf } from '@labmesh/pki/testing/sample-ca';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { verifyPeer } from '@labmesh/pki/verify-peer';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { ChannelEnd } from './channel-end.ts';
import { dialLink, type DialOptions, DialRefused } from './dial.ts';
import type { FrameSocket } from './frame-socket.ts';
import { Link, type LinkHandlers } from './link.ts';
import { listenMtls, type MtlsListener, type MtlsListenerOptions } from './mtls-listener.ts';
import { testHello, testHelloOk } from './testing/link-pair.ts';
import { execOpen, session, someBytes } from './testing/relay-world.ts';
import { offeredSubprotocol, upgradeToFrames } from './ws-socket.ts';

const handshakes = Number(process.env['LABMESH_HANDSHAKES'] ?? 100);
const agentId = '01900000-0000-7000-8000-00000000000a';
const trustDomain = 'labmesh.internal';

let ca: SampleCa;
let labd: SampleLeaf;
let agent: SampleLeaf;
const listeners: MtlsListener[] = [];

beforeAll(async () => {
  ca = await sampleCa();
  labd = await ca.leaf('labd', agentId);
  agent = await ca.leaf('agent', agentId);
});
afterAll(async () => {
  for (const listener of listeners) await listener.close();
});

const certificateOf = (leaf: SampleLeaf) => ({ key: leaf.key.privatePem, cert: leaf.certificatePem + ca.chainPem });

/** A listener whose upgrades become links, as labd makes them: the peer is judged by its certificate (LD-4). */
async function listen(handlers: LinkHandlers = {}, more: Partial<MtlsListenerOptions> = {}): Promise<MtlsListener> {
  const listener = await listenMtls({
    host: '127.0.0.1',
    port: 0,
    ...certificateOf(labd),
    onRequest: (_request, response) => response.end('hello'),
    onUpgrade: (request, socket, head) => {
      const peer = socket.getPeerCertificate(true);
      try {
        const chain = [peer.issuerCertificate?.raw].filter((one) => one !== undefined);
        verifyPeer({ leafDer: peer.raw, chain, bundlePem: ca.bundlePem, now: Date.now(), trustDomain, eku: 'client' });
      } catch {
        socket.end('HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
        return;
      }
      const hello = (link: Link) => link.accept(testHelloOk);
      upgradeToFrames(
        request,
        socket,
        head,
        (frames) => void new Link(frames, { hello, ...handlers }, { side: 'even' }),
      );
    },
    ...more,
  });
  listeners.push(listener);
  return listener;
}

const dialOptions = (listener: MtlsListener, leaf: SampleLeaf = agent): DialOptions => ({
  url: `wss://127.0.0.1:${listener.port}/ws/agent`,
  subprotocol: 'labmesh.link.v1',
  identity: { keyPem: leaf.key.privatePem, chainPem: leaf.certificatePem + ca.chainPem },
  bundlePem: ca.bundlePem,
  checkServerIdentity: serverIdentityCheck({ bundlePem: ca.bundlePem, trustDomain }),
});

async function dial(listener: MtlsListener, handlers: LinkHandlers = {}): Promise<Link> {
  const link = new Link(await dialLink(dialOptions(listener)), handlers, { side: 'odd' });
  await link.hello(testHello);
  return link;
}

const ended = (socket: Socket) =>
  new Promise<void>((resolve) => void socket.on('close', () => resolve()).on('error', () => {}));

describe('LD-3: links over mTLS', () => {
  test('greet, carry a channel byte-exact both ways, close with a code', async () => {
    const closes: [string, number][] = [];
    let far: Link | undefined;
    const listener = await listen({
      first: (link, raw, first) => {
        far = link;
        if (first.type !== 'open') return;
        const end = ChannelEnd.accept(raw, first.open, { session });
        end.handle({ data: (_stream, bytes) => end.write(1, bytes), eof: () => end.close('ok') });
      },
      closed: (_link, code) => closes.push(['labd', code]),
    });
    const link = await dial(listener, { closed: (_link, code) => closes.push(['agent', code]) });
    const end = ChannelEnd.open(link, execOpen);
    const got: Buffer[] = [];
    end.handle({ data: (_stream, bytes) => void got.push(Buffer.from(bytes)) });
    await end.opened;
    const sent = someBytes(3_000_000);
    await end.write(0, sent);
    end.end(0);
    await end.closed;
    expect(Buffer.concat(got).equals(sent)).toBe(true);
    far?.close('superseded');
    await Bun.sleep(100);
    expect(closes).toEqual([
      ['labd', 4409],
      ['agent', 4409],
    ]);
    expect([listener.counts.accepted, listener.counts.connections]).toEqual([1, 0]);
  });

  test('requests are answered on the same port, also to strangers', async () => {
    const listener = await listen();
    const answer = await fetch(`https://127.0.0.1:${listener.port}/ca/pin`, { tls: { ca: ca.bundlePem } });
    expect(await answer.text()).toBe('hello');
  });

  test('a new certificate is shown from the next handshake on', async () => {
    const listener = await listen();
    const before = await dial(listener);
    const next = await ca.leaf('labd', agentId);
    listener.setCertificate(certificateOf(next));
    const seen: string[] = [];
    const socket = await dialLink({
      ...dialOptions(listener),
      checkServerIdentity: (_host, shown) => void seen.push(shown.raw.toString('hex')),
    });
    expect(seen).toEqual([Buffer.from(next.certificate.der).toString('hex')]);
    expect(before.ping()).toBe(true);
    socket.terminate();
    before.close('goingAway');
  });

  test('TLS 1.2 is refused', async () => {
    const listener = await listen();
    const socket = connectTls({ port: listener.port, host: '127.0.0.1', ca: ca.bundlePem, maxVersion: 'TLSv1.2' });
    await ended(socket);
    expect(socket.getProtocol()).not.toBe('TLSv1.2');
  });
});

test('LD-1: the same link over the admin socket', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'labmesh-link-'));
  const server = createServer((_request, response) => response.end());
  const hello = (link: Link) => link.accept(testHelloOk);
  server.on('upgrade', (request, socket, head) => {
    upgradeToFrames(request, socket, head, (frames) => void new Link(frames, { hello }, { side: 'even' }));
  });
  const socketPath = join(folder, 'labd.sock');
  await new Promise<void>((resolve) => server.listen(socketPath, () => resolve()));
  const socket = await dialLink({ url: 'ws://localhost/ws/client', socketPath, subprotocol: 'labmesh.client.v1' });
  const link = new Link(socket, {}, { side: 'odd' });
  expect((await link.hello(testHello)).replicaId).toBe('r1');
  link.close('goingAway');
  await expect(
    dialLink({ url: 'ws://localhost/', socketPath: join(folder, 'none'), subprotocol: 'labmesh.client.v1' }),
  ).rejects.toThrow();
  server.close();
  await rm(folder, { recursive: true });
});

test('HB-6: sending leaves the bytes as they are, for they may have to go again', async () => {
  let far: FrameSocket | undefined;
  const onUpgrade: MtlsListenerOptions['onUpgrade'] = (request, socket, head) =>
    upgradeToFrames(request, socket, head, (frames) => void (far = frames));
  const near = await dialLink(dialOptions(await listen({}, { onUpgrade })));
  for (const socket of [near, far!]) {
    const messages = Array.from({ length: 40 }, () => someBytes(16 * 1024));
    const copies = messages.map((message) => Buffer.from(message));
    for (const message of messages) socket.send(message);
    await Bun.sleep(50);
    expect(messages.every((message, index) => message.equals(copies[index]!))).toBe(true);
  }
  near.terminate();
});

describe('frames that are none', () => {
  test('a text message closes with 4400, one too large ends the link', async () => {
    for (const [message, code] of [
      ['text', 4400],
      [Buffer.alloc(70_000), 1009],
    ] as const) {
      const closes = Promise.withResolvers<number>();
      const listener = await listen({ closed: (_link, seen) => closes.resolve(seen) });
      const socket = await dialLink(dialOptions(listener));
      const mine = Promise.withResolvers<number>();
      socket.owner = { onMessage: () => {}, onDrain: () => {}, onClose: (seen) => mine.resolve(seen) };
      socket.send(encodeFrame({ type: 'hello', channel: 0, body: testHello }));
      (socket as unknown as { send(message: string | Buffer): void }).send(message);
      expect([await closes.promise, await mine.promise]).toContain(code);
    }
  });
});

describe('dialLink', () => {
  test('the check sees the whole chain, and its error refuses', async () => {
    const listener = await listen();
    const seen: (number | undefined)[] = [];
    const checkServerIdentity: DialOptions['checkServerIdentity'] = (_host, shown) => {
      const above = 'issuerCertificate' in shown ? (shown.issuerCertificate as { raw?: Buffer }).raw : undefined;
      seen.push(shown.raw.length, above?.length);
      return new Error('not that one');
    };
    await expect(dialLink({ ...dialOptions(listener), checkServerIdentity })).rejects.toThrow('not that one');
    expect(seen).toEqual([labd.certificate.der.length, ca.issuing.certificate.der.length]);
    const throws = () => {
      throw new Error('a fault in the check');
    };
    await expect(dialLink({ ...dialOptions(listener), checkServerIdentity: throws })).rejects.toThrow(
      'a fault in the check',
    );
  });

  test('JT-6, acceptance 5: a server of another authority is refused before anything is said', async () => {
    const foreign = await sampleCa();
    let requests = 0;
    const listener = await listen({}, { onRequest: () => void requests++, onUpgrade: () => void requests++ });
    const check = serverIdentityCheck({ bundlePem: foreign.bundlePem, trustDomain });
    await expect(dialLink({ ...dialOptions(listener), checkServerIdentity: check })).rejects.toThrow();
    await expect(dialLink({ ...dialOptions(listener), bundlePem: foreign.bundlePem })).rejects.toThrow();
    expect(requests).toBe(0);
  });

  test('an HTTP answer is a DialRefused, silence and aborts are errors', async () => {
    const listener = await listen({}, { onUpgrade: () => {} });
    const options = dialOptions(listener);
    await expect(dialLink({ ...options, timeoutMs: 200 })).rejects.toThrow('in time');
    await expect(dialLink({ ...options, signal: AbortSignal.timeout(200) })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(dialLink({ ...options, url: 'wss://127.0.0.1:1/' })).rejects.toThrow();
    const strict = await listen();
    await expect(dialLink({ ...dialOptions(strict), identity: undefined })).rejects.toMatchObject({
      status: 401,
      body: 'no',
    });
    const other = await listen();
    await expect(dialLink({ ...dialOptions(other), subprotocol: 'labmesh.later.v9' })).rejects.toThrow();
  });
});

describe('LD-4: who the peer is', () => {
  test(`bun#37251, #27985: ${handshakes} handshakes with a foreign certificate, none accepted`, async () => {
    const foreign = await sampleCa();
    const stranger = await foreign.leaf('agent', agentId);
    const listener = await listen({}, { limits: { acceptsPerS: 100_000 } });
    const options = dialOptions(listener, stranger);
    let refused = 0;
    for (let done = 0; done < handshakes; done += 20) {
      const round = Array.from({ length: 20 }, () =>
        dialLink({
          ...options,
          identity: { keyPem: stranger.key.privatePem, chainPem: stranger.certificatePem + foreign.chainPem },
        }),
      );
      for (const result of await Promise.allSettled(round)) if (result.status === 'rejected') refused++;
    }
    expect(refused).toBe(Math.ceil(handshakes / 20) * 20);
  }, 60_000);
});

describe('AP-4, acceptance 6: what a stranger can hold open', () => {
  test('a handshake that does not come is ended', async () => {
    const listener = await listen({}, { limits: { handshakeMs: 300 } });
    const socket = connectTcp(listener.port, '127.0.0.1');
    await ended(socket);
    await Bun.sleep(50);
    expect(listener.counts).toMatchObject({ handshakes: 0, connections: 0, handshakesFailed: 1 });
  });

  test('half-open sockets are bounded: the slow ones go for whoever comes', async () => {
    const listener = await listen({}, { limits: { handshakesMax: 20, handshakeSlowMs: 200 } });
    const sockets = Array.from({ length: 200 }, () => connectTcp(listener.port, '127.0.0.1'));
    await Promise.all(sockets.slice(20).map((socket) => ended(socket)));
    expect(listener.counts).toMatchObject({ handshakes: 20, turnedAway: 180 });
    await Bun.sleep(250);
    const link = await dial(listener);
    expect([link.isUp, listener.counts.turnedAway]).toEqual([true, 181]);
    link.close('goingAway');
    for (const socket of sockets) socket.destroy();
  });

  test('a head that comes slowly, one that is too large, and connections that say nothing or no more, end', async () => {
    const listener = await listen({}, { limits: { headMs: 300 } });
    const closed: Promise<void>[] = [];
    const open = (said: string) =>
      new Promise<void>((resolve) => {
        const options = {
          port: listener.port,
          host: '127.0.0.1',
          ca: ca.bundlePem,
          checkServerIdentity: () => undefined,
        };
        const socket = connectTls(options, () => (socket.write(said), resolve()));
        closed.push(ended(socket.resume()));
      });
    await open('GET / HTTP/1.1\r\nHost: a\r\n');
    await open(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`);
    await open('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await open('');
    await Promise.all(closed);
    expect(listener.counts.accepted).toBe(0);
  });

  test('connections are bounded', async () => {
    const listener = await listen({}, { limits: { connectionsMax: 5 } });
    const sockets = Array.from({ length: 8 }, () => connectTcp(listener.port, '127.0.0.1'));
    await Promise.race(sockets.map((socket) => ended(socket)));
    await Bun.sleep(100);
    expect(listener.counts).toMatchObject({ connections: 5, turnedAway: 3 });
    for (const socket of sockets) socket.destroy();
  });

  test('HB-11: upgrades past the rate get 503 with Retry-After', async () => {
    const listener = await listen({}, { limits: { acceptsPerS: 4, acceptWaitMs: 0 }, retryAfterS: () => 17 });
    const options = dialOptions(listener);
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => dialLink(options)));
    const refused = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as DialRefused] : []));
    expect(refused.length).toBeGreaterThan(5);
    for (const one of refused)
      expect([one instanceof DialRefused, one.status, one.retryAfterMs]).toEqual([true, 503, 17_000]);
    for (const one of results) if (one.status === 'fulfilled') one.value.terminate();
  });
});

test('LD-5: the labmesh subprotocol is found before a ticket', () => {
  const request = (value: string | undefined) => ({ headers: { 'sec-websocket-protocol': value } }) as never;
  expect(offeredSubprotocol(request('labmesh.client.v1, ticket-abc'))).toBe('labmesh.client.v1');
  expect(offeredSubprotocol(request('chat'))).toBeUndefined();
  expect(offeredSubprotocol(request(undefined))).toBeUndefined();
});
