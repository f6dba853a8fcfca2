import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { DialRefused } from '@labmesh/link/dial';
import { PeerRefused } from '@labmesh/pki/peer-refused';
import { sampleCa, type SampleCa } from '@labmesh/pki/testing/sample-ca';
import { offeredSubprotocol, upgradeToFrames } from '@labmesh/link/ws-socket';
import { Settings } from '../config/settings.ts';
import { saveCredentials } from '../credentials/credentials.ts';
import { testWorld } from '../testing/test-world.ts';
import { labdDial } from './labd-dial.ts';
import { LocalLabd } from './testing/local-labd.ts';

/** What a promise is rejected with, to be looked at. */
const asIs = (error: unknown) => error;

const home = mkdtempSync(join(tmpdir(), 'labctl-dial-'));
const userId = '01900000-0000-7000-8000-00000000000a';
type Seen = {
  sni: string | false | undefined;
  peer: string | undefined;
  path: string | undefined;
  protocol: string | undefined;
};
let ca: SampleCa;
let url = '';
let refuse: number | undefined;
const seen: Seen[] = [];
const stop: (() => void)[] = [];

beforeAll(async () => {
  ca = await sampleCa();
  const leaf = await ca.leaf('labd', 'replica-1');
  const http = createServer();
  http.on('upgrade', (request, socket, head) => {
    const tls = socket as TLSSocket & { servername?: string };
    seen.push({
      sni: tls.servername,
      peer: tls.getPeerCertificate(true)?.subjectaltname,
      path: request.url,
      protocol: offeredSubprotocol(request),
    });
    if (refuse !== undefined)
      return void socket.end(`HTTP/1.1 ${refuse} No\r\nretry-after: 3\r\ncontent-length: 2\r\n\r\n{}`);
    upgradeToFrames(request, socket, head, (frames) => frames.close(4403, 'seen'));
  });
  const tls = createTlsServer({
    key: leaf.key.privatePem,
    cert: leaf.certificatePem + ca.chainPem,
    ca: ca.bundlePem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
  });
  tls.on('secureConnection', (socket) => http.emit('connection', socket));
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  url = `https://127.0.0.1:${(tls.address() as { port: number }).port}`;
  stop.push(() => (http.closeAllConnections(), tls.close()));
  const user = await ca.leaf('user', userId);
  const { privatePem } = user.key;
  const parts = { privatePem, certificatePem: user.certificatePem, chainPem: ca.chainPem, bundlePem: ca.bundlePem };
  await saveCredentials({ HOME: home }, 'default', parts);
});
afterAll(() => {
  for (const end of stop) end();
  rmSync(home, { recursive: true });
});

/** The certificates are judged by the real time: TLS knows no other. */
const clock = { now: () => performance.now(), wall: () => Date.now(), sleep: () => Promise.resolve() };
function dial(env: Record<string, string> = {}, local = false) {
  const world = testWorld({ env: { HOME: home, LABCTL_LABD_URL: url, ...env }, clock });
  const settings = new Settings({ env: world.env });
  return labdDial({ world, settings, local, note: () => {} });
}

describe('the WebSocket of sessions (HB-1, CA-5)', () => {
  test('with the user’s certificate, to labd’s own one by SNI', async () => {
    const { where, connect } = dial();
    const socket = await connect(new AbortController().signal);
    socket.terminate();
    expect(where).toBe(`labd at ${url}`);
    expect(seen.at(-1)).toEqual({
      sni: 'labd',
      peer: `URI:spiffe://labmesh.internal/user/${userId}`,
      path: '/ws/client',
      protocol: 'labmesh.client.v1',
    });
  });

  test('another root than the pin is refused before anything goes out', async () => {
    const before = seen.length;
    const { connect } = dial({ LABCTL_LABD_CA_PIN: `sha256:${'0'.repeat(64)}` });
    const error = await connect(new AbortController().signal).catch((one: unknown) => one);
    expect(error).toBeInstanceOf(PeerRefused);
    expect(seen.length).toBe(before);
  });

  test('what labd answers in place of an upgrade, with its time', async () => {
    refuse = 503;
    const error = await dial()
      .connect(new AbortController().signal)
      .catch((one: unknown) => one);
    refuse = undefined;
    expect(error).toBeInstanceOf(DialRefused);
    expect(error).toMatchObject({ status: 503, retryAfterMs: 3_000, body: '{}' });
  });

  test('without a login the way to one is told', async () => {
    const world = testWorld({ env: { HOME: '/nonexistent', LABCTL_LABD_URL: url }, clock });
    const { connect } = labdDial({ world, settings: new Settings({ env: world.env }), local: false, note: () => {} });
    expect(await connect(new AbortController().signal).catch(asIs)).toMatchObject({
      message: expect.stringContaining('nobody is logged in'),
    });
  });

  test('ID-1 --local: the admin socket, without certificates', async () => {
    const path = join(home, 'admin.sock');
    await using labd = new LocalLabd();
    await labd.listen(path);
    const { where, connect } = dial({ LABCTL_ADMIN_SOCKET: path }, true);
    const socket = await connect(new AbortController().signal);
    expect([where, labd.sockets.links.size]).toEqual([`labd at ${path}`, 1]);
    socket.terminate();
    const none = dial({ LABCTL_ADMIN_SOCKET: join(home, 'none.sock') }, true);
    expect(await none.connect(new AbortController().signal).catch(asIs)).toMatchObject({ code: 'ENOENT' });
  });
});
