/**
 * Somebody who answers where labd should be (acceptance 5): TLS with a certificate of another CA, and a bundle of the
 * attacker's choice. Every byte of every request is kept.
 */
import { createServer as createHttp } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { sampleCa } from '@labmesh/pki/testing/sample-ca';

export interface FakeDoor extends AsyncDisposable {
  readonly url: string;
  /** Roots of the CA that it really has. */
  readonly ownBundle: string;
  /** What it answers to `/ca/bundle`. */
  bundle: string;
  /** Everything that was sent to it, decrypted. */
  readonly heard: () => string;
  readonly paths: string[];
}

export async function openFakeDoor(): Promise<FakeDoor> {
  const ca = await sampleCa();
  const { key, certificatePem } = await ca.leaf('labd', 'not-labd');
  let heard = '';
  const paths: string[] = [];
  const door = { bundle: ca.bundlePem };
  const http = createHttp((request, response) => {
    paths.push(request.url ?? '');
    request.on('data', (part: Buffer) => (heard += part.toString()));
    response.setHeader('content-type', 'application/x-pem-file').end(request.url === '/ca/bundle' ? door.bundle : '{}');
  });
  const server = createServer({
    key: key.privatePem,
    cert: certificatePem + ca.chainPem + ca.bundlePem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  server.on('secureConnection', (socket) => {
    socket.on('data', (part) => (heard += part.toString('latin1')));
    socket.on('error', () => {});
    http.emit('connection', socket);
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(door, {
    url: `https://127.0.0.1:${port}`,
    ownBundle: ca.bundlePem,
    heard: () => heard,
    paths,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}
