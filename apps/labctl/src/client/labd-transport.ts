/**
 * One request to labd and its answer: over TLS with the user's certificate (CA-5), or over the admin socket. On
 * node:https: it shows the whole chain to the identity check, before a byte of the request is written.
 */
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { serverIdentityCheck } from '@labmesh/pki/server-identity';

export type TransportRequest = {
  method: string;
  /** With the query. */
  path: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
  signal: AbortSignal;
};
export type TransportAnswer = {
  status: number;
  header: (name: string) => string | undefined;
  /** Read it, or destroy it: an answer nobody reads holds its connection. */
  body: AsyncIterable<Uint8Array> & { destroy(): void };
};

export interface Transport extends Disposable {
  /** For messages: `labd at https://lab.example:3100`. */
  readonly where: string;
  /** Rejects with what the system or the certificate check says. */
  send(request: TransportRequest): Promise<TransportAnswer>;
}

/** Whose word is taken that this is labd. `public`: the system's roots and the host name (no login, no pin). */
export type LabdTrust =
  | { by: 'bundle'; bundlePem: string; pins: string | undefined; trustDomain: string | undefined }
  | { by: 'public' };
/** How the caller shows who it is. */
export type LabdProof =
  | { by: 'certificate'; certificatePem: string; chainPem: string; privatePem: string }
  | { by: 'bearer'; token: string }
  | { by: 'nothing' };

/** Asked for by SNI: labd's own certificate, and not one that the operator has set for browsers under a host name. */
const internalName = 'labd';

/** The TLS half of a connection to labd, for requests and WebSockets alike. */
export function labdTls(trust: LabdTrust, proof: LabdProof) {
  const own =
    proof.by === 'certificate' ? { cert: `${proof.certificatePem}${proof.chainPem}`, key: proof.privatePem } : {};
  if (trust.by === 'public') return { ...own, minVersion: 'TLSv1.3' as const };
  const { bundlePem, pins, trustDomain } = trust;
  const checkServerIdentity = serverIdentityCheck({ bundlePem, pins, trustDomain });
  return { ...own, minVersion: 'TLSv1.3' as const, ca: bundlePem, servername: internalName, checkServerIdentity };
}

function ask(send: typeof httpRequest, options: RequestOptions, body: string | undefined): Promise<TransportAnswer> {
  return new Promise((resolve, reject) => {
    const request = send(options, (answer: IncomingMessage) => {
      resolve({
        status: answer.statusCode ?? 0,
        header: (name) => {
          const value = answer.headers[name];
          return Array.isArray(value) ? value[0] : value;
        },
        body: answer,
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const bearer = (proof: LabdProof): Record<string, string> =>
  proof.by === 'bearer' ? { authorization: `Bearer ${proof.token}` } : {};

/** @param url an origin, as `labd.url` is */
export function httpsTransport(url: string, trust: LabdTrust, proof: LabdProof): Transport {
  const { hostname, port, host } = new URL(url);
  const agent = new HttpsAgent({ keepAlive: true, maxSockets: 8, ...labdTls(trust, proof) });
  const tls = labdTls(trust, proof);
  const base = { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: port === '' ? 443 : Number(port), agent, ...tls };
  return {
    where: `labd at ${url}`,
    send: ({ method, path, headers, body, signal }) =>
      ask(httpsRequest, { ...base, method, path, signal, headers: { host, ...headers, ...bearer(proof) } }, body),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** The admin socket of a labd on this machine: whoever may open it is its administrator (ID-1). */
export function socketTransport(socketPath: string): Transport {
  const agent = new HttpAgent({ keepAlive: true });
  return {
    where: `labd at ${socketPath}`,
    send: ({ method, path, headers, body, signal }) =>
      ask(httpRequest, { socketPath, agent, method, path, signal, headers: { host: 'localhost', ...headers } }, body),
    [Symbol.dispose]: () => agent.destroy(),
  };
}
