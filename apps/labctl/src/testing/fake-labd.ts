/** A server that looks like labd to a client: TLS 1.3 with a certificate of a small CA, answers by a function. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { sampleCa, type SampleCa, type SampleLeaf } from '@labmesh/pki/testing/sample-ca';

export type Asked = {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
  /** The name of the peer's certificate. */
  peer: string | undefined;
  /** What was asked for by SNI. */
  sni: string | undefined;
};
/** Undefined: the request is left without an answer. */
export type Answered = { status?: number; json?: unknown; text?: string; headers?: Record<string, string> } | undefined;
export type Answerer = (asked: Asked) => Answered | Promise<Answered>;

export interface FakeLabd extends AsyncDisposable {
  readonly url: string;
  readonly ca: SampleCa;
  readonly asked: Asked[];
  /** Connections whose handshake was finished. */
  readonly connections: number;
  answer: Answerer;
}

function listener(fake: { asked: Asked[]; answer: Answerer }): RequestListener {
  return (request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const socket = request.socket as Partial<TLSSocket> & { servername?: string | false };
      const asked: Asked = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(parts).toString('utf8'),
        peer: socket.getPeerCertificate?.(true)?.subjectaltname,
        sni: socket.servername || undefined,
      };
      fake.asked.push(asked);
      void Promise.resolve(fake.answer(asked)).then((answered) => {
        if (answered === undefined) return;
        const { status = 200, json, text, headers } = answered;
        response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req-1', ...headers });
        response.end(text ?? JSON.stringify(json ?? {}));
      });
    });
  };
}

/** @param leaf of another kind or CA, to see it refused */
export async function startFakeLabd(
  answer: Answerer,
  given: { ca?: SampleCa; leaf?: SampleLeaf } = {},
): Promise<FakeLabd> {
  const ca = given.ca ?? (await sampleCa());
  const leaf = given.leaf ?? (await ca.leaf('labd', 'replica-1'));
  const fake = { asked: [] as Asked[], answer, connections: 0 };
  const http = createServer(listener(fake));
  const tls = createTlsServer({
    key: leaf.key.privatePem,
    cert: leaf.certificatePem + ca.chainPem,
    ca: ca.bundlePem,
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
  });
  tls.on('secureConnection', (socket) => {
    fake.connections++;
    http.emit('connection', socket);
  });
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  return Object.assign(fake, {
    url: `https://127.0.0.1:${(tls.address() as AddressInfo).port}`,
    ca,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      tls.close();
    },
  });
}

/** The same answers on a unix socket. */
export async function startFakeSocket(path: string, answer: Answerer): Promise<{ asked: Asked[] } & AsyncDisposable> {
  const fake = { asked: [] as Asked[], answer };
  const http = createServer(listener(fake));
  await new Promise<void>((resolve) => http.listen(path, resolve));
  return {
    asked: fake.asked,
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
    },
  };
}
