/**
 * HTTP/1.1 by hand over TLS or the admin socket: one connection, one identity, every byte ours. The runtime's own client
 * shares connections between certificates and mends what a hostile client would send.
 */
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export type Door = { host: string; port: number } | { socket: string };
/** A client certificate: private key and chain, leaf first, PEM. */
export type ClientIdentity = { keyPem: string; certPem: string };
/** A JSON answer as far as most tests look. */
export type Shown = { error?: { code: string; message: string; field?: string }; items?: unknown[]; version?: string };
export type Answer = { status: number; headers: Map<string, string>; body: string; json<T = Shown>(): T };
export type Ask = { headers?: Record<string, string>; body?: string | Uint8Array; json?: unknown };

const answerMs = 15_000;

/** `https://127.0.0.1:3100` as a door. */
export function doorOf(url: string): Door {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

const hostOf = (door: Door): string => ('socket' in door ? 'labd' : `${door.host}:${door.port}`);

/** Opens the connection. TLS 1.3; the server is not judged here. @throws the error of the handshake. */
export function openSocket(door: Door, identity?: ClientIdentity): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket =
      'socket' in door
        ? connectPlain({ path: door.socket }, () => resolve(socket))
        : connectTls(
            {
              ...door,
              servername: 'labd',
              minVersion: 'TLSv1.3',
              rejectUnauthorized: false,
              ...(identity !== undefined && { key: identity.keyPem, cert: identity.certPem }),
            },
            () => resolve(socket),
          );
    socket.once('error', reject);
    socket.setNoDelay(true);
  });
}

/** Bytes as they come, until there are enough of them. */
class Inbox {
  bytes: Buffer = Buffer.alloc(0);
  isEnded = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    socket.on('data', (part: Buffer) => {
      this.bytes = this.bytes.length === 0 ? part : Buffer.concat([this.bytes, part]);
      this.#wake();
    });
    const end = () => {
      this.isEnded = true;
      this.#wake();
    };
    socket.on('error', end);
    socket.on('end', end);
    socket.on('close', end);
  }

  /** Waits until `find` finds; undefined when the connection ends before. */
  async until<T>(find: (bytes: Buffer) => T | undefined, until: number): Promise<T | undefined> {
    for (;;) {
      const found = find(this.bytes);
      if (found !== undefined || this.isEnded) return found;
      const left = until - performance.now();
      if (left <= 0)
        throw new Error(`no answer in time; so far ${JSON.stringify(this.bytes.toString().slice(0, 200))}`);
      const timer = Promise.withResolvers<void>();
      const handle = setTimeout(timer.resolve, left);
      await Promise.race([new Promise<void>((wake) => (this.#wake = wake)), timer.promise]);
      clearTimeout(handle);
    }
  }

  take(length: number): Buffer {
    const taken = this.bytes.subarray(0, length);
    this.bytes = this.bytes.subarray(length);
    return taken;
  }
}

/** One line of a chunked body; undefined while it is not whole. */
function chunks(bytes: Buffer): { body: Buffer; length: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) return undefined;
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16);
    const next = end + 2 + size + 2;
    if (bytes.length < next) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), length: next };
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = next;
  }
}

async function readAnswer(inbox: Inbox, method: string): Promise<Answer | undefined> {
  const until = performance.now() + answerMs;
  const headEnd = await inbox.until((bytes) => {
    const at = bytes.indexOf('\r\n\r\n');
    return at < 0 ? undefined : at + 4;
  }, until);
  if (headEnd === undefined) return undefined;
  const [first = '', ...lines] = inbox.take(headEnd).toString('latin1').trimEnd().split('\r\n');
  const headers = new Map(
    lines.map((line) => [line.split(':')[0]!.toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  );
  const status = Number(first.split(' ')[1]);
  let body: Buffer = Buffer.alloc(0);
  if (method !== 'HEAD' && status !== 101 && status !== 204) {
    const length = headers.get('content-length');
    if (headers.get('transfer-encoding') === 'chunked') {
      const found = await inbox.until(chunks, until);
      body = found?.body ?? inbox.bytes;
      inbox.take(found?.length ?? 0);
    } else if (length !== undefined) {
      await inbox.until((bytes) => (bytes.length >= Number(length) ? true : undefined), until);
      body = inbox.take(Number(length));
    }
  }
  const text = body.toString('utf8');
  return { status, headers, body: text, json: <T>() => JSON.parse(text) as T };
}

/** A kept connection; opened again when the server ended it. Calls go one after the other. */
export class HttpsLine implements Disposable {
  readonly door: Door;
  readonly #identity: ClientIdentity | undefined;
  readonly #headers: Record<string, string>;
  #open: Promise<{ socket: Socket; inbox: Inbox }> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(door: Door, identity?: ClientIdentity, headers: Record<string, string> = {}) {
    this.door = door;
    this.#identity = identity;
    this.#headers = headers;
  }

  call(method: string, path: string, ask: Ask = {}): Promise<Answer> {
    const next = this.#last.then(() => this.#call(method, path, ask));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #call(method: string, path: string, { headers = {}, body, json }: Ask): Promise<Answer> {
    const content = json === undefined ? body : JSON.stringify(json);
    const all: Record<string, string> = {
      host: hostOf(this.door),
      ...this.#headers,
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...(content !== undefined && { 'content-length': String(Buffer.byteLength(content)) }),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    return this.send(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, content, method);
  }

  /** Sends bytes as they are and reads one answer. @throws Error when the connection ends without one. */
  async send(head: string | Uint8Array, body?: string | Uint8Array, method = 'GET'): Promise<Answer> {
    const { socket, inbox } = await this.#connected();
    socket.write(head);
    if (body !== undefined && body.length > 0) socket.write(body);
    const answer = await readAnswer(inbox, method);
    if (answer === undefined || inbox.isEnded || answer.headers.get('connection') === 'close') {
      socket.destroy();
      this.#open = undefined;
    }
    if (answer === undefined) throw new Error('the connection ended without an answer');
    return answer;
  }

  async #connected() {
    const kept = await this.#open?.catch(() => undefined);
    if (kept !== undefined && !kept.inbox.isEnded) return kept;
    this.#open = openSocket(this.door, this.#identity).then((socket) => ({ socket, inbox: new Inbox(socket) }));
    return this.#open;
  }

  [Symbol.dispose](): void {
    void this.#open?.then(({ socket }) => socket.destroy()).catch(() => undefined);
  }
}
