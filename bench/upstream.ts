import type { Socket } from 'bun';
import { parseArgs } from 'node:util';
import { MessageReader } from './load/message-reader.ts';

/**
 * Mock LLM server on raw sockets: as cheap as it can be, so that what a bench measures is the relay. Prints
 * `{"ready":true,"port":N}`. All streams share one tick; at each tick a stream sends one event in one write.
 */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'pace-ms': { type: 'string', default: '5' },
    events: { type: 'string', default: '100' },
    model: { type: 'string', default: 'bench-model' },
  },
});
const paceMs = Number(values['pace-ms']);
const model = values.model;
const created = 1_700_000_000;
const usage = { prompt_tokens: 31, completion_tokens: 100, total_tokens: 131 };

function whole(status: string, body: string): Buffer {
  return Buffer.from(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

function frame(payload: string): string {
  const event = `data: ${payload}\n\n`;
  return `${event.length.toString(16)}\r\n${event}\r\n`;
}

function chunk(choices: unknown[], extra: object = {}): string {
  const base = { id: 'chatcmpl-bench00000001', object: 'chat.completion.chunk', created, model };
  return frame(JSON.stringify({ ...base, choices, ...extra }));
}

const message = { role: 'assistant', content: 'The capital of France is Paris, and it lies on the Seine.' };
const base = { id: 'chatcmpl-bench00000001', object: 'chat.completion', created, model, system_fingerprint: 'bench' };
const choice = { index: 0, message, logprobs: null, finish_reason: 'stop' };
const completion = whole('200 OK', JSON.stringify({ ...base, choices: [choice], usage }));
const models = whole(
  '200 OK',
  JSON.stringify({ object: 'list', data: [{ id: model, object: 'model', created, owned_by: 'bench' }] }),
);
const healthy = whole('200 OK', '{"status":"ok"}');
const notFound = whole(
  '404 Not Found',
  '{"error":{"message":"not found","type":"invalid_request_error","code":"not_found"}}',
);
const streamHead =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n';
const eventCount = Number(values.events);
const frames = Array.from({ length: eventCount }, (_, i) => {
  if (i === 0) return chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }]);
  const last = i === eventCount - 1;
  return chunk([{ index: 0, delta: last ? {} : { content: ` token${i}` }, finish_reason: last ? 'stop' : null }]);
}).map((text) => Buffer.from(text));
const usageFrame = Buffer.from(chunk([], { usage }));
const doneFrame = Buffer.from(`${frame('[DONE]')}0\r\n\r\n`);

type Stream = { peer: Peer; next: number; withUsage: boolean };
const streams = new Set<Stream>();

/** One client connection. */
class Peer {
  #head = '';
  #body = '';
  #unsent: Buffer[] = [];
  readonly #socket: Socket<Peer>;
  readonly reader = new MessageReader(
    {
      onHead: (head) => {
        this.#head = head;
        this.#body = '';
      },
      onBody: (bytes, from, to) => {
        this.#body += bytes.toString('latin1', from, to);
      },
      onEnd: () => this.#answer(),
    },
    true,
  );

  constructor(socket: Socket<Peer>) {
    this.#socket = socket;
  }

  write(bytes: Buffer): void {
    if (this.#unsent.length > 0) this.#unsent.push(bytes);
    else {
      const written = Math.max(0, this.#socket.write(bytes));
      if (written < bytes.length) this.#unsent.push(bytes.subarray(written));
    }
  }

  drain(): void {
    const rest = this.#unsent;
    this.#unsent = [];
    for (const bytes of rest) this.write(bytes);
  }

  #answer(): void {
    if (this.#head.startsWith('POST /v1/chat/completions ')) {
      if (/"stream" *: *true/.test(this.#body)) this.#stream();
      else this.write(completion);
    } else if (this.#head.startsWith('GET /v1/models ')) this.write(models);
    else if (this.#head.startsWith('GET /health ')) this.write(healthy);
    else this.write(notFound);
  }

  #stream(): void {
    this.write(Buffer.from(streamHead));
    streams.add({ peer: this, next: 0, withUsage: /"include_usage" *: *true/.test(this.#body) });
  }
}

setInterval(() => {
  for (const stream of streams) {
    const bytes = frames[stream.next++];
    if (bytes !== undefined) stream.peer.write(bytes);
    else {
      if (stream.withUsage) stream.peer.write(usageFrame);
      stream.peer.write(doneFrame);
      streams.delete(stream);
    }
  }
}, paceMs);

function drop(peer: Peer): void {
  for (const stream of streams) if (stream.peer === peer) streams.delete(stream);
}

const server = Bun.listen<Peer>({
  hostname: '127.0.0.1',
  port: Number(values.port),
  socket: {
    open: (socket) => {
      socket.data = new Peer(socket);
    },
    data: (socket, bytes) => socket.data.reader.feed(bytes),
    drain: (socket) => socket.data.drain(),
    close: (socket) => drop(socket.data),
    error: (socket) => socket.terminate(),
  },
});
console.log(JSON.stringify({ ready: true, port: server.port }));
