import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { ChannelEnd } from './channel-end.ts';
import { dialLink, DialRefused } from './dial.ts';
import type { Link } from './link.ts';
import { agentId, ended, MtlsRig } from './testing/mtls-rig.ts';
import { execOpen, session, someBytes } from './testing/relay-world.ts';

const handshakes = Number(process.env['LABMESH_HANDSHAKES'] ?? 1_000);
let rig: MtlsRig;
beforeAll(async () => {
  rig = await MtlsRig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

describe('LD-3: links over mTLS', () => {
  test('greet, carry a channel byte-exact both ways, close with a code', async () => {
    const closes: [string, number][] = [];
    let far: Link | undefined;
    const listener = await rig.listen({
      first: (link, raw, first) => {
        far = link;
        if (first.type !== 'open') return;
        const end = ChannelEnd.accept(raw, first.open, { session });
        end.handle({ data: (_stream, bytes) => end.write(1, bytes), eof: () => end.close('ok') });
      },
      closed: (_link, code) => closes.push(['labd', code]),
    });
    const link = await rig.dial(listener, { closed: (_link, code) => closes.push(['agent', code]) });
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
    const listener = await rig.listen();
    const answer = await fetch(`https://127.0.0.1:${listener.port}/ca/pin`, { tls: { ca: rig.ca.bundlePem } });
    expect(await answer.text()).toBe('hello');
  });

  test('a new certificate is shown from the next handshake on', async () => {
    const listener = await rig.listen();
    const before = await rig.dial(listener);
    const next = await rig.ca.leaf('labd', agentId);
    listener.setCertificate(rig.certificateOf(next));
    const seen: string[] = [];
    const socket = await dialLink({
      ...rig.dialOptions(listener),
      checkServerIdentity: (_host, shown) => void seen.push(shown.raw.toString('hex')),
    });
    expect(seen).toEqual([Buffer.from(next.certificate.der).toString('hex')]);
    expect(before.ping()).toBe(true);
    socket.terminate();
    before.close('goingAway');
  });

  test('TLS 1.2 is refused', async () => {
    const listener = await rig.listen();
    const socket = connectTls({ port: listener.port, host: '127.0.0.1', ca: rig.ca.bundlePem, maxVersion: 'TLSv1.2' });
    await ended(socket);
    expect(socket.getProtocol()).not.toBe('TLSv1.2');
  });
});

describe('LD-4: who the peer is', () => {
  test(`bun#37251, #27985: ${handshakes} handshakes with a foreign certificate, none accepted`, async () => {
    const foreign = await sampleCa();
    const stranger = await foreign.leaf('agent', agentId);
    const listener = await rig.listen({}, { limits: { acceptsPerS: 100_000 } });
    const options = rig.dialOptions(listener, stranger);
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
    const listener = await rig.listen({}, { limits: { handshakeMs: 300 } });
    const socket = connectTcp(listener.port, '127.0.0.1');
    await ended(socket);
    await Bun.sleep(50);
    expect(listener.counts).toMatchObject({ handshakes: 0, connections: 0, handshakesFailed: 1 });
  });

  test('half-open sockets are bounded: the slow ones go for whoever comes', async () => {
    const listener = await rig.listen({}, { limits: { handshakesMax: 20, handshakeSlowMs: 200 } });
    const sockets = Array.from({ length: 200 }, () => connectTcp(listener.port, '127.0.0.1'));
    await Promise.all(sockets.slice(20).map((socket) => ended(socket)));
    expect(listener.counts).toMatchObject({ handshakes: 20, turnedAway: 180 });
    await Bun.sleep(250);
    const link = await rig.dial(listener);
    expect([link.isUp, listener.counts.turnedAway]).toEqual([true, 181]);
    link.close('goingAway');
    for (const socket of sockets) socket.destroy();
  });

  test('a head that comes slowly, one that is too large, and connections that say nothing or no more, end', async () => {
    const listener = await rig.listen({}, { limits: { headMs: 300 } });
    const closed: Promise<void>[] = [];
    const open = (said: string) =>
      new Promise<void>((resolve) => {
        const options = {
          port: listener.port,
          host: '127.0.0.1',
          ca: rig.ca.bundlePem,
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

  test('what is wrong with a head is told, in whole, unless an answer is on its way or nobody asked', async () => {
    const said: string[] = [];
    const listener = await rig.listen(
      {},
      {
        limits: { headMs: 400 },
        headAnswer: (fault) => `HTTP/1.1 400 ${fault}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
        // The answer begins and does not end.
        onRequest: (_request, response) => void response.writeHead(200).write('begun'),
      },
    );
    const options = { port: listener.port, host: '127.0.0.1', ca: rig.ca.bundlePem };
    const told = async (...parts: string[]) => {
      let got = '';
      const socket = connectTls({ ...options, checkServerIdentity: () => undefined });
      const over = ended(socket);
      socket.on('data', (bytes: Buffer) => (got += bytes.toString()));
      for (const part of parts) {
        socket.write(part);
        for (let n = 0; n < 100 && part.endsWith('\r\n\r\n') && got === ''; n++) await Bun.sleep(10);
      }
      await over;
      said.push(got.split('\r\n')[0] ?? '');
      return got;
    };
    await told('GET / HTTP/1.1\r\nHost: a\r\n');
    await told(`GET / HTTP/1.1\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`);
    await told(`GET / HTTP/1.1\r\nX: ${'a'.repeat(3_000_000)}`);
    await told('nonsense\r\n\r\n');
    await told('');
    expect(await told('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'nonsense\r\n\r\n')).not.toContain('malformed');
    expect(said).toEqual([
      'HTTP/1.1 400 late',
      'HTTP/1.1 400 too-large',
      'HTTP/1.1 400 too-large',
      'HTTP/1.1 400 malformed',
      '',
      'HTTP/1.1 200 OK',
    ]);
  });

  test('the rest of a head that was refused begins nothing: its caller has the refusal', async () => {
    let begun = 0;
    const listener = await rig.listen(
      {},
      {
        limits: { headMs: 200 },
        headAnswer: () => 'HTTP/1.1 400 late\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
        onRequest: (_request, response) => {
          begun++;
          response.end();
        },
      },
    );
    const options = { port: listener.port, host: '127.0.0.1', ca: rig.ca.bundlePem };
    const socket = connectTls({ ...options, checkServerIdentity: () => undefined });
    const over = ended(socket);
    socket.write('POST /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n');
    socket.once('data', () => void socket.write('\r\n'));
    await over;
    await Bun.sleep(50);
    expect(begun).toBe(0);
  });

  test('connections are bounded', async () => {
    const listener = await rig.listen({}, { limits: { connectionsMax: 5 } });
    const sockets = Array.from({ length: 8 }, () => connectTcp(listener.port, '127.0.0.1'));
    await Promise.race(sockets.map((socket) => ended(socket)));
    await Bun.sleep(100);
    expect(listener.counts).toMatchObject({ connections: 5, turnedAway: 3 });
    for (const socket of sockets) socket.destroy();
  });

  test('HB-11: upgrades past the rate get 503 with Retry-After', async () => {
    const listener = await rig.listen({}, { limits: { acceptsPerS: 4, acceptWaitMs: 0 }, retryAfterS: () => 17 });
    const options = rig.dialOptions(listener);
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => dialLink(options)));
    const refused = results.flatMap((one) => (one.status === 'rejected' ? [one.reason as DialRefused] : []));
    expect(refused.length).toBeGreaterThan(5);
    for (const one of refused)
      expect([one instanceof DialRefused, one.status, one.retryAfterMs]).toEqual([true, 503, 17_000]);
    for (const one of results) if (one.status === 'fulfilled') one.value.terminate();
  });
});
