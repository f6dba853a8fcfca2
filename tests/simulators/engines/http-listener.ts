/**
 * A small HTTP/1.1 server on raw sockets. Bun.serve adds a Date header and cannot send garbage or break off; here every
 * byte of an answer is ours, so a simulator's bytes are the same each time. Not for hostile clients.
 */
export type SimRequest = {
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body: string;
};

type Socket = Bun.Socket<Connection>;

const encoder = new TextEncoder();
const headEnd = Buffer.from('\r\n\r\n');
const reasons: Record<number, string> = {
  200: 'OK',
  302: 'Found',
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

/** One answer on one connection. Writes after the client left are dropped. */
export class SimReply {
  readonly #connection: Connection;
  #onClose: (() => void) | undefined;
  #ended = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get closed(): boolean {
    return this.#connection.closed;
  }
  get ended(): boolean {
    return this.#ended;
  }
  /** Called when the client leaves before `end`. */
  onClose(callback: () => void): void {
    if (this.closed) callback();
    else this.#onClose = callback;
  }
  whole(status: number, type: string, body: string, headers: Record<string, string> = {}): void {
    this.#head(status, { 'content-type': type, ...headers, 'content-length': String(encoder.encode(body).length) });
    this.#connection.write(body);
    this.end();
  }
  json(status: number, value: unknown, headers: Record<string, string> = {}): void {
    this.whole(status, 'application/json', JSON.stringify(value), headers);
  }
  start(status: number, headers: Record<string, string>): void {
    this.#head(status, { ...headers, 'transfer-encoding': 'chunked' });
  }
  chunk(text: string): void {
    this.#connection.write(`${encoder.encode(text).length.toString(16)}\r\n${text}\r\n`);
  }
  endChunks(): void {
    this.#connection.write('0\r\n\r\n');
    this.end();
  }
  raw(text: string): void {
    this.#connection.write(text);
  }
  /** Cuts the connection in the middle. */
  cut(): void {
    this.#ended = true;
    this.#connection.cut();
  }
  end(): void {
    this.#ended = true;
    this.#connection.next();
  }
  gone(): void {
    if (!this.#ended) this.#onClose?.();
  }

  #head(status: number, headers: Record<string, string>): void {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#connection.write(`HTTP/1.1 ${status} ${reasons[status] ?? 'Status'}\r\n${lines.join('')}\r\n`);
  }
}

type Handle = (request: SimRequest, reply: SimReply) => void;

class Connection {
  closed = false;
  readonly #socket: Socket;
  readonly #handle: Handle;
  #input = Buffer.alloc(0);
  #output: Buffer[] = [];
  #reply: SimReply | undefined;

  constructor(socket: Socket, handle: Handle) {
    this.#socket = socket;
    this.#handle = handle;
  }

  data(bytes: Buffer): void {
    this.#input = Buffer.concat([this.#input, bytes]);
    this.#advance();
  }
  write(text: string): void {
    if (this.closed) return;
    this.#output.push(Buffer.from(text));
    if (this.#output.length === 1) this.drain();
  }
  drain(): void {
    while (!this.closed && this.#output.length > 0) {
      const first = this.#output[0] as Buffer;
      const taken = Math.max(0, this.#socket.write(first));
      if (taken < first.length) {
        this.#output[0] = first.subarray(taken);
        return;
      }
      this.#output.shift();
    }
  }
  next(): void {
    this.#reply = undefined;
    this.#advance();
  }
  cut(): void {
    this.closed = true;
    this.#socket.terminate();
  }
  close(): void {
    this.closed = true;
    this.#reply?.gone();
  }

  #advance(): void {
    if (this.#reply !== undefined || this.closed) return;
    const request = this.#take();
    if (request === undefined) return;
    this.#reply = new SimReply(this);
    this.#handle(request, this.#reply);
  }

  /** The next whole request in the input; undefined while it is not all there. */
  #take(): SimRequest | undefined {
    const end = this.#input.indexOf(headEnd);
    if (end === -1) return undefined;
    const [line = '', ...rest] = this.#input.subarray(0, end).toString('latin1').split('\r\n');
    const headers: Record<string, string> = {};
    for (const row of rest) {
      const colon = row.indexOf(':');
      headers[row.slice(0, colon).toLowerCase()] = row.slice(colon + 1).trim();
    }
    const body = this.#takeBody(end + headEnd.length, headers);
    if (body === undefined) return undefined;
    const [method = '', target = '/'] = line.split(' ');
    const [path = '/', query = ''] = target.split('?', 2);
    return { method, path, query, headers, body };
  }

  #takeBody(start: number, headers: Record<string, string>): string | undefined {
    if (headers['transfer-encoding'] === undefined) {
      const end = start + Number(headers['content-length'] ?? 0);
      if (this.#input.length < end) return undefined;
      return this.#consume(start, end);
    }
    let body = '';
    for (let at = start; ;) {
      const lineEnd = this.#input.indexOf('\r\n', at);
      if (lineEnd === -1) return undefined;
      const size = Number.parseInt(this.#input.subarray(at, lineEnd).toString('latin1'), 16);
      const from = lineEnd + 2;
      if (this.#input.length < from + size + 2) return undefined;
      body += this.#input.subarray(from, from + size).toString();
      at = from + size + 2;
      if (size === 0) {
        this.#consume(at, at);
        return body;
      }
    }
  }

  #consume(start: number, end: number): string {
    const text = this.#input.subarray(start, end).toString();
    this.#input = this.#input.subarray(end);
    return text;
  }
}

export type HttpListener = { readonly port: number; close(): void };

/** Listens on loopback. `close` stops listening and cuts every connection. */
export function listenHttp(port: number, handle: Handle): HttpListener {
  const open = new Set<Socket>();
  const listener = Bun.listen<Connection>({
    hostname: '127.0.0.1',
    port,
    socket: {
      open: (socket) => {
        socket.data = new Connection(socket, handle);
        open.add(socket);
      },
      data: (socket, bytes) => socket.data.data(bytes),
      drain: (socket) => socket.data.drain(),
      close: (socket) => {
        open.delete(socket);
        socket.data.close();
      },
      error: () => {},
    },
  });
  return {
    port: listener.port,
    close: () => {
      listener.stop();
      for (const socket of open) socket.terminate();
    },
  };
}
