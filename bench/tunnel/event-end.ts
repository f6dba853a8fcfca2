/**
 * Server-sent events in the namespace it was started in: `serve PORT HOST,HOST…` writes one each 5 ms with the moment it
 * left, until it is ended; `read PORT HOST COUNT` says `{"delaysUs"}`, how long each was under way.
 */
import { dlopen } from 'bun:ffi';

const [does, port = '0', hosts = '', count = '0'] = Bun.argv.slice(2);
const everyMs = 5;
/** The first ones wait for code to be compiled, here and there. */
const warmUp = 100;

const monotonic = 1;
const { symbols } = dlopen('libc.so.6', { clock_gettime: { args: ['i32', 'ptr'], returns: 'i32' } });
const moment = new BigInt64Array(2);
/** Of the machine and not of the process, so that two of them can compare; µs. */
function nowUs(): number {
  symbols.clock_gettime(monotonic, moment);
  return Number(moment[0]) * 1e6 + Number(moment[1]) / 1e3;
}

function events(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval> | undefined;
  return new ReadableStream({
    start(controller) {
      timer = setInterval(() => controller.enqueue(encoder.encode(`data: ${nowUs()}\n\n`)), everyMs);
    },
    cancel: () => clearInterval(timer),
  });
}

async function read(): Promise<number[]> {
  const delaysUs: number[] = [];
  const stop = new AbortController();
  const { body } = await fetch(`http://${hosts}:${port}/`, { signal: stop.signal });
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    const now = nowUs();
    for (const line of decoder.decode(chunk).split('\n')) {
      if (line.startsWith('data: ')) delaysUs.push(now - Number(line.slice(6)));
    }
    if (delaysUs.length >= warmUp + Number(count)) break;
  }
  stop.abort();
  return delaysUs.slice(warmUp);
}

if (does === 'serve') {
  const headers = { 'content-type': 'text/event-stream' };
  for (const hostname of hosts.split(',')) {
    Bun.serve({ hostname, port: Number(port), fetch: () => new Response(events(), { headers }) });
  }
  console.log(JSON.stringify({ ready: true }));
} else {
  console.log(JSON.stringify({ delaysUs: await read() }));
}
