/** The dialling side of a link: a WebSocket over TLS 1.3 with a client certificate (HB-1, CA-5). */
import type { IncomingMessage } from 'node:http';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect, type PeerCertificate } from 'node:tls';
import { frameLimits } from '@labmesh/wire/frame/frame-types';
import { type ClientOptions, WebSocket } from 'ws';
import type { FrameSocket } from './frame-socket.ts';
import { WsSocket } from './ws-socket.ts';

export type DialOptions = {
  /** `wss://host:port/path`; with `socketPath` `ws://localhost/path`. */
  url: string;
  /** labd's admin socket (LD-1) in place of the URL's host and TLS: whoever may open it is trusted by the system. */
  socketPath?: string;
  subprotocol: string;
  /** The client certificate: private key and chain, leaf first. */
  identity?: { keyPem: string; chainPem: string };
  /** The roots that the server's chain must end in; the system's when absent. */
  bundlePem?: string;
  /** Judges the server once its chain is good; an error refuses it. The host name is checked when absent. */
  checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined;
  /** The name to ask for by SNI; the URL's host when absent. */
  servername?: string;
  /** Only with a hybrid post-quantum key exchange: what is recorded today stays closed to a quantum computer later (tunnel P1). */
  postQuantum?: boolean;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** 15 s when absent. */
  timeoutMs?: number;
};

const timeoutMsDefault = 15_000;
const bodyBytesMax = 16 * 1024;
/** A group of TLS 1.3 (draft-ietf-tls-ecdhe-mlkem), which the runtime's servers take by themselves. */
const hybridGroup = 'X25519MLKEM768';

/** The server answered the upgrade with an HTTP status. */
export class DialRefused extends Error {
  readonly status: number;
  /** Of a Retry-After header in seconds. */
  readonly retryAfterMs: number | undefined;
  /** At most 16 KiB. */
  readonly body: string;
  constructor(status: number, retryAfterMs: number | undefined, body: string) {
    super(`the server answered ${status}`);
    this.name = 'DialRefused';
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.body = body;
  }
}

async function refusal(response: IncomingMessage): Promise<DialRefused> {
  let body = '';
  try {
    for await (const chunk of response) {
      body += String(chunk);
      if (body.length >= bodyBytesMax) break;
    }
  } catch {
    // The status alone says enough.
  }
  const seconds = Number(response.headers['retry-after']);
  const retryAfterMs = Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined;
  return new DialRefused(response.statusCode ?? 0, retryAfterMs, body.slice(0, bodyBytesMax));
}

/**
 * The connection below the WebSocket. Made here because only then the check gets the whole chain that the server
 * sent: with options of `ws` it sees the leaf alone.
 */
function connectBelow(options: DialOptions): Socket {
  if (options.socketPath !== undefined) return connectPlain({ path: options.socketPath });
  const { identity, bundlePem, checkServerIdentity, postQuantum = false } = options;
  const url = new URL(options.url);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const servername = options.servername ?? (isIP(host) === 0 ? host : undefined);
  return connect({
    host,
    port: Number(url.port === '' ? 443 : url.port),
    minVersion: 'TLSv1.3',
    ...(postQuantum && { ecdhCurve: hybridGroup }),
    ...(servername !== undefined && { servername }),
    ...(identity !== undefined && { key: identity.keyPem, cert: identity.chainPem }),
    ...(bundlePem !== undefined && { ca: bundlePem }),
    ...(checkServerIdentity !== undefined && { checkServerIdentity: guardedCheck(checkServerIdentity) }),
  });
}

function clientOptions(options: DialOptions): ClientOptions {
  return {
    perMessageDeflate: false,
    maxPayload: frameLimits.messageBytesMax,
    followRedirects: false,
    ...(options.headers !== undefined && { headers: options.headers }),
    createConnection: () => connectBelow(options),
  };
}

/** A check that throws refuses too; thrown out of the handshake it would end the process. */
function guardedCheck(check: NonNullable<DialOptions['checkServerIdentity']>) {
  return (host: string, certificate: PeerCertificate): Error | undefined => {
    try {
      return check(host, certificate);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  };
}

/**
 * Connects and upgrades; the link greets afterwards.
 * @throws DialRefused for an HTTP answer, the signal's reason, a TLS or network error, or what the check returned.
 */
export function dialLink(options: DialOptions): Promise<FrameSocket> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const ws = new WebSocket(options.url, [options.subprotocol], clientOptions(options));
    const timer = setTimeout(
      () => fail(new Error('the server did not answer in time')),
      options.timeoutMs ?? timeoutMsDefault,
    );
    const onAbort = () => fail(signal?.reason);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      settle();
      reject(error instanceof Error ? error : new Error(String(error)));
      ws.terminate();
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    ws.on('error', fail);
    ws.on('unexpected-response', (_request, response: IncomingMessage) => {
      void refusal(response).then(fail);
    });
    ws.on('open', () => {
      settle();
      ws.removeAllListeners();
      if (ws.protocol !== options.subprotocol) {
        ws.on('error', () => {});
        ws.terminate();
        return reject(new Error('the server speaks another protocol'));
      }
      resolve(new WsSocket(ws));
    });
  });
}
