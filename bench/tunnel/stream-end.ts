/**
 * One end of a plain TCP stream in the namespace it was started in: `listen|connect send|receive HOST PORT SECONDS`. A
 * listener says `{"ready":true}`; a receiver says `{"counting":true}` half a second after the first byte, and what it
 * counted from then on, `{"bytes", "ms"}`, when the seconds are over.
 */
import type { Socket, TCPSocketListener } from 'bun';

const [opens, does, hostname = '', port = '0', seconds = '1'] = Bun.argv.slice(2);
const warmupMs = 500;
const windowMs = Number(seconds) * 1000;
const chunk = new Uint8Array(256 * 1024);

const say = (value: object) => console.log(JSON.stringify(value));

let listener: TCPSocketListener | undefined;
let [startedAt, countedFrom, bytes] = [0, 0, 0];

function count(socket: Socket, received: Uint8Array): void {
  const now = performance.now();
  if (startedAt === 0) startedAt = now;
  if (now - startedAt < warmupMs) return;
  if (countedFrom === 0) {
    countedFrom = now;
    return say({ counting: true });
  }
  bytes += received.length;
  if (now - countedFrom < windowMs) return;
  say({ bytes, ms: now - countedFrom });
  socket.terminate();
}

const fill = (socket: Socket) => {
  while (does === 'send' && socket.write(chunk) === chunk.length);
};
// The stream is over, and so is the process.
const end = () => listener?.stop(true);
const handlers = { open: fill, drain: fill, data: count, close: end, error: end };
if (opens === 'listen') {
  listener = Bun.listen({ hostname, port: Number(port), socket: handlers });
  say({ ready: true });
} else {
  await Bun.connect({ hostname, port: Number(port), socket: handlers });
}
