/** One TLS connection over loopback on the runtime in use, seen from both ends. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { serverIdentityCheck, type SeenCertificate, type ServerCheck } from '../server-identity.ts';
import type { SampleLeaf } from './sample-ca.ts';

export type Handshake = {
  /** What the client's TLS said; undefined when it connected. */
  clientError: Error | undefined;
  /** What the server's TLS thought of the client certificate. */
  isAuthorized: boolean | undefined;
  seenByServer: SeenCertificate | undefined;
};

export type HandshakeOptions = {
  server: SampleLeaf;
  /** Sent after the server's leaf. */
  serverChainPem: string;
  /** Roots that the client trusts. */
  clientTrustPem: string;
  client?: SampleLeaf & { chainPem: string };
  serverTrustPem?: string;
  /** What `checkServerIdentity` checks; without it nothing but the chain is looked at. */
  check?: ServerCheck;
};

/** Connects once and closes. TLS 1.3, client certificate asked and not required, as on labd's listeners (LD-1). */
export async function handshake(options: HandshakeOptions): Promise<Handshake> {
  const { server, client, check } = options;
  let accepted: TLSSocket | undefined;
  const listener = createServer({
    key: server.key.privatePem,
    cert: server.certificatePem + options.serverChainPem,
    ca: options.serverTrustPem ?? options.clientTrustPem,
    requestCert: true,
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
  });
  listener.on('secureConnection', (socket) => {
    accepted = socket;
    socket.on('error', () => {});
    socket.end('x');
  });
  listener.on('tlsClientError', () => {});
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const request: ConnectionOptions = {
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    servername: 'another.example',
    ca: options.clientTrustPem,
    minVersion: 'TLSv1.3',
    checkServerIdentity: check === undefined ? () => undefined : serverIdentityCheck(check),
    ...(client !== undefined && { key: client.key.privatePem, cert: client.certificatePem + client.chainPem }),
  };
  try {
    const clientError = await new Promise<Error | undefined>((resolve) => {
      const socket = connect(request);
      socket.on('error', resolve);
      socket.on('data', () => socket.end());
      socket.on('close', () => resolve(undefined));
    });
    const seen = accepted?.getPeerCertificate(true) as SeenCertificate | undefined;
    return { clientError, isAuthorized: accepted?.authorized, seenByServer: seen };
  } finally {
    listener.close();
  }
}
