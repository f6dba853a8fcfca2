/**
 * What labd's doors cost at least: node:tls that asks for a client certificate, node:http, `ws`. Nothing is judged or
 * stored; HELLO is answered, so that the same simulated agents connect here, and they are pinged by nobody.
 *
 *     bun bench/fleet/bare-server.ts IDENTITY.PEM     prints {"ready":true,"url":"https://127.0.0.1:N"}
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { encodeFrame } from '@labmesh/wire/frame/codec';
import { frameLimits, frameTypes, subprotocols } from '@labmesh/wire/frame/frame-types';
import { type WebSocket, WebSocketServer } from 'ws';

const pem = readFileSync(Bun.argv[2] ?? '', 'utf8');
const limits = { channels: 1, window: frameLimits.windowBytes, windowMax: frameLimits.windowBytesMax };
const welcome = encodeFrame({
  type: 'helloOk',
  channel: 0,
  body: { protocol: 1, replicaId: 'bare', heartbeatMs: 600_000, timeMs: Date.now(), bundle: '', limits, urls: [] },
});

const sockets = new WebSocketServer({
  noServer: true,
  perMessageDeflate: false,
  maxPayload: frameLimits.messageBytesMax,
  clientTracking: false,
  handleProtocols: () => subprotocols.link,
});
function onMessage(this: WebSocket, data: Buffer): void {
  if (data[0] === frameTypes.hello) this.send(welcome);
}
const http = createHttpServer();
http.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (opened) => opened.on('message', onMessage));
});
const blocks = pem.match(/-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----/g) ?? [];
const key = blocks.find((block) => block.includes('PRIVATE KEY')) ?? '';
const cert = blocks
  .filter((block) => block.includes('BEGIN CERTIFICATE'))
  .slice(0, 2)
  .join('\n');
const tls = createTlsServer({ key, cert, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
tls.on('secureConnection', (socket) => void http.emit('connection', socket));
tls.listen(0, '127.0.0.1', () => {
  const { port } = tls.address() as AddressInfo;
  console.log(JSON.stringify({ ready: true, url: `https://127.0.0.1:${port}` }));
});
