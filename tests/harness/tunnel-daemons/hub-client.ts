/**
 * What a gateway does, as a program, since it has to stand on the hub's host. `reach URL MS`: asks again and again; tells
 * `{"ms"}`, how long until the first answer, or −1. `chat URL`: the answer of the first model there as a stream; tells
 * `{"status", "lines", "gapMs", "isWhole"}`. `get URL`: tells `{"status", "text"}`, 0 when there was no answer.
 * `ports HOST PORT…`: tells `{"open"}`, those that take a connection.
 * `hold HOST PORT MS`: begins a request and never ends it; tells `{"ended"}`: the error's code, `end`, or `none` in that time.
 * `serve PORT`: takes connections on all addresses, until it is ended.
 */
import { connect } from 'node:net';

/** What a stream was like for its reader. */
export type SeenStream = { status: number; lines: number; gapMs: number; isWhole: boolean };

const [mode, place = '', ...rest] = Bun.argv.slice(2);
const tryMs = 700;
const pauseMs = 100;
/** Longer than a replica waits for another. */
const askMs = 20_000;

async function reach(url: string, withinMs: number): Promise<object> {
  const begun = performance.now();
  for (;;) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(tryMs) }).catch(() => undefined);
    await answer?.arrayBuffer();
    const ms = Math.round(performance.now() - begun);
    if (answer?.ok === true) return { ms };
    if (ms > withinMs) return { ms: -1 };
    await Bun.sleep(pauseMs);
  }
}

type Models = { data: { id: string }[] };

async function chat(url: string): Promise<SeenStream> {
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as Models;
  const body = { model: data[0]?.id, stream: true, messages: [{ role: 'user', content: 'count' }] };
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(body) });
  const decoder = new TextDecoder();
  let [text, gapMs, lastAt] = ['', 0, performance.now()];
  // What is waited for at last is said as it ends: a stream that hangs is seen by its gap.
  const told = () => ({
    status: answer.status,
    lines: text.split('data: {').length - 1,
    gapMs: Math.round(Math.max(gapMs, performance.now() - lastAt)),
    isWhole: text.includes('data: [DONE]'),
  });
  try {
    for await (const bytes of answer.body ?? []) {
      const now = performance.now();
      // From the first line on.
      if (text !== '') gapMs = Math.max(gapMs, now - lastAt);
      lastAt = now;
      text += decoder.decode(bytes, { stream: true });
    }
  } catch {
    // Broken off: `isWhole` says it.
  }
  return told();
}

/** One request; what it is answered. */
async function get(url: string): Promise<object> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(askMs) }).catch(() => undefined);
  return { status: answer?.status ?? 0, text: (await answer?.text().catch(() => '')) ?? '' };
}

async function isOpen(hostname: string, port: number): Promise<boolean> {
  const socket = { data: () => undefined };
  const connecting = Bun.connect({ hostname, port, socket }).then(
    (opened) => {
      opened.end();
      return true;
    },
    () => false,
  );
  return Promise.race([connecting, Bun.sleep(tryMs).then(() => false)]);
}

async function ports(hostname: string, list: readonly string[]): Promise<object> {
  const all = await Promise.all(
    list.map(async (port) => ({ port: Number(port), open: await isOpen(hostname, Number(port)) })),
  );
  return { open: all.filter(({ open }) => open).map(({ port }) => port) };
}

function hold(host: string, port: string, withinMs: string): Promise<object> {
  const socket = connect({ host, port: Number(port) });
  socket.on('connect', () =>
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: node\r\ncontent-length: 9\r\n\r\n'),
  );
  socket.on('data', () => {});
  return new Promise((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve({ ended: error.code }));
    socket.once('end', () => resolve({ ended: 'end' }));
    setTimeout(() => resolve({ ended: 'none' }), Number(withinMs));
  });
}

function serve(port: string): Promise<object> {
  Bun.listen({ hostname: '0.0.0.0', port: Number(port), socket: { data: () => undefined } });
  console.log(JSON.stringify({ serving: port }));
  return new Promise(() => {});
}

if (mode === 'serve') await serve(place);
const modes: Record<string, () => Promise<object>> = {
  reach: () => reach(place, Number(rest[0])),
  chat: () => chat(place),
  get: () => get(place),
  ports: () => ports(place, rest),
  hold: () => hold(place, rest[0] ?? '', rest[1] ?? ''),
};
console.log(JSON.stringify(await modes[mode ?? '']?.()));
// oxlint-disable-next-line no-process-exit -- a connection that nobody answers would hold this process
process.exit(0);
