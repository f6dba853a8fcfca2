import { parseArgs } from 'node:util';
import type { Watch } from './window.ts';

export const loadModes = ['closed', 'paced', 'sse'] as const;
export type LoadMode = (typeof loadModes)[number];

/** One load run, decided. */
export type LoadPlan = {
  mode: LoadMode;
  port: number;
  connections: number;
  seconds: number;
  /** Closed loop: run until this many answers instead of `seconds`; 0 = off. */
  requests: number;
  warmupMs: number;
  /** Paced: requests per second. */
  rate: number;
  /** SSE: events that a whole stream has at least. */
  events: number;
  watches: Watch[];
  /** Whole request, head and body. */
  request: Buffer;
};

/** Reads the load generator's flags. Throws Error naming the flag that is wrong. */
export function parseLoadPlan(argv: readonly string[]): LoadPlan {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      mode: { type: 'string', default: 'closed' },
      url: { type: 'string' },
      model: { type: 'string', default: 'bench-model' },
      header: { type: 'string', multiple: true, default: [] },
      connections: { type: 'string', default: '32' },
      seconds: { type: 'string', default: '3' },
      requests: { type: 'string', default: '0' },
      'warmup-ms': { type: 'string', default: '500' },
      rate: { type: 'string', default: '1000' },
      events: { type: 'string', default: '100' },
      watch: { type: 'string', multiple: true, default: [] },
    },
  });
  const mode = loadModes.find((name) => name === values.mode);
  if (mode === undefined) throw new Error(`--mode is one of ${loadModes.join(', ')}`);
  const url = new URL(values.url ?? fail('--url is missing'));
  return {
    mode,
    port: Number(url.port),
    connections: positive('connections', values.connections),
    seconds: positive('seconds', values.seconds),
    requests: Number(values.requests),
    warmupMs: Number(values['warmup-ms']),
    rate: positive('rate', values.rate),
    events: Number(values.events),
    watches: [...values.watch.map(parseWatch), { name: 'load', pid: process.pid }],
    request: buildRequest(url, values.header, values.model, mode === 'sse'),
  };
}

/** `target=123` */
function parseWatch(text: string): Watch {
  const [name = '', pid] = text.split('=');
  return { name, pid: positive('watch', pid ?? '') };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  return value > 0 && Number.isFinite(value) ? value : fail(`--${flag} is a positive number`);
}

function fail(message: string): never {
  throw new Error(message);
}

/** A small chat request as an OpenAI client sends it (about 300 bytes of body). */
export function buildRequest(url: URL, headers: readonly string[], model: string, stream: boolean): Buffer {
  const messages = [
    { role: 'system', content: 'You are a helpful assistant that answers in one short sentence.' },
    { role: 'user', content: 'What is the capital of France, and on which river does the city lie?' },
  ];
  const body = JSON.stringify({
    model,
    messages,
    temperature: 0.7,
    max_tokens: 100,
    ...(stream ? { stream: true } : {}),
  });
  const head = [
    `POST ${url.pathname.replace(/\/$/, '')}/chat/completions HTTP/1.1`,
    `Host: ${url.host}`,
    'Content-Type: application/json',
    'Accept: application/json',
    'User-Agent: labmesh-bench',
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body}`);
}
