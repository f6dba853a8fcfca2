import { errorOf, thrower } from '@labmesh/wire/testing/errors';
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';
import { dialLink, type DialOptions } from './dial.ts';
import { Link } from './link.ts';
import { testHello, testHelloOk } from './testing/link-pair.ts';
import { MtlsRig, trustDomain } from './testing/mtls-rig.ts';
import { upgradeToFrames } from './ws-socket.ts';

let rig: MtlsRig;
beforeAll(async () => {
  rig = await MtlsRig.make();
});
afterAll(() => rig[Symbol.asyncDispose]());

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
  expect(
    await thrower(
      dialLink({ url: 'ws://localhost/', socketPath: join(folder, 'none'), subprotocol: 'labmesh.client.v1' }),
    ),
  ).toThrow();
  server.close();
  await rm(folder, { recursive: true });
});

describe('dialLink', () => {
  test('the check sees the whole chain, and its error refuses', async () => {
    const listener = await rig.listen();
    const seen: (number | undefined)[] = [];
    const checkServerIdentity: DialOptions['checkServerIdentity'] = (_host, shown) => {
      const above = 'issuerCertificate' in shown ? (shown.issuerCertificate as { raw?: Buffer }).raw : undefined;
      seen.push(shown.raw.length, above?.length);
      return new Error('not that one');
    };
    expect(await thrower(dialLink({ ...rig.dialOptions(listener), checkServerIdentity }))).toThrow('not that one');
    expect(seen).toEqual([rig.labd.certificate.der.length, rig.ca.issuing.certificate.der.length]);
    const throws = () => {
      throw new Error('a fault in the check');
    };
    expect(await thrower(dialLink({ ...rig.dialOptions(listener), checkServerIdentity: throws }))).toThrow(
      'a fault in the check',
    );
  });

  test('JT-6, acceptance 5: a server of another authority is refused before anything is said', async () => {
    const foreign = await sampleCa();
    let requests = 0;
    const listener = await rig.listen({}, { onRequest: () => void requests++, onUpgrade: () => void requests++ });
    const check = serverIdentityCheck({ bundlePem: foreign.bundlePem, trustDomain });
    expect(await thrower(dialLink({ ...rig.dialOptions(listener), checkServerIdentity: check }))).toThrow();
    expect(await thrower(dialLink({ ...rig.dialOptions(listener), bundlePem: foreign.bundlePem }))).toThrow();
    expect(requests).toBe(0);
  });

  test('tunnel P1: a hybrid key exchange where that is asked for, and nothing less', async () => {
    const listener = await rig.listen();
    const hybrid = { ...rig.dialOptions(listener), postQuantum: true };
    (await dialLink(hybrid)).close(1000, 'done');
    await using opened = new AsyncDisposableStack();
    for (const [ecdhCurve, takes] of [
      ['X25519:P-256', false],
      ['X25519MLKEM768', true],
    ] as const) {
      const server = createTlsServer({ ...rig.certificateOf(rig.labd), ecdhCurve, minVersion: 'TLSv1.3' });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
      opened.defer(() => void server.close());
      let met = 0;
      server.on('secureConnection', (socket) => {
        met++;
        socket.destroy();
      });
      const url = `wss://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      expect(await thrower(dialLink({ ...hybrid, url }))).toThrow();
      expect(met > 0).toBe(takes);
    }
  });

  test('an HTTP answer is a DialRefused, silence and aborts are errors', async () => {
    const listener = await rig.listen({}, { onUpgrade: () => {} });
    const options = rig.dialOptions(listener);
    expect(await thrower(dialLink({ ...options, timeoutMs: 200 }))).toThrow('in time');
    expect(await errorOf(dialLink({ ...options, signal: AbortSignal.timeout(200) }))).toMatchObject({
      name: 'TimeoutError',
    });
    expect(await thrower(dialLink({ ...options, url: 'wss://127.0.0.1:1/' }))).toThrow();
    const strict = await rig.listen();
    expect(await errorOf(dialLink({ ...rig.dialOptions(strict), identity: undefined }))).toMatchObject({
      status: 401,
      body: 'no',
    });
    const other = await rig.listen();
    expect(await thrower(dialLink({ ...rig.dialOptions(other), subprotocol: 'labmesh.later.v9' }))).toThrow();
  });
});
