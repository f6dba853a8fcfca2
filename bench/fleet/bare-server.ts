/**
 * What labd's doors cost at least: node:tls that asks for a client certificate and has it verified against the CA,
 * node:http, `ws`. Nothing else is judged or stored; HELLO and PING are answered, so that the same simulated agents
 * connect and beat here, and nothing more.
 *
 *     bun bench/fleet/bare-server.ts IDENTITY.PEM BUNDLE.PEM     prints {"ready":true,"url":"https://127.0.0.1:N"}
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { frameLimits, frameTypes, subprotocols } from '@labmesh/wire/frame/frame-types';
import { type WebSocket, WebSocketServer } from 'ws';
import { readServerIdentity } from './server-identity.ts';

const limits = { channels: 1, window: frameLimits.windowBytes, windowMax: frameLimits.windowBytesMax };
const welcome = encodeFrame({
  type: 'helloOk',
  channel: 0,
  body: { protocol: 1, replicaId: 'bare', heartbeatMs: 10_000, timeMs: Date.now(), bundle: '', limits, urls: [] },
});

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: frameLimits.messageBytesMax,
  clientTracking: false,
  handleProtocols: () => subprotocols.link,
});
function onMessage(this: WebSocket, data: Buffer): void {
  if (data[0] === frameTypes.hello) return this.send(welcome);
  if (data[0] !== frameTypes.ping) return;
  data[0] = frameTypes.pong;
  this.send(data);
}
const http = createHttpServer();
http.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (opened) => opened.on('message', onMessage));
});
const identity = readServerIdentity(Bun.argv[2] ?? '');
const ca = readFileSync(Bun.argv[3] ?? '', 'utf8');
const tls = createTlsServer({ ...identity, ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' });
tls.on('secureConnection', (socket) => void http.emit('connection', socket));
tls.listen(0, '127.0.0.1', () => {
  const { port } = tls.address() as AddressInfo;
  console.log(JSON.stringify({ ready: true, url: `https://127.0.0.1:${port}` }));
});
