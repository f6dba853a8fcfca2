/**
 * `serve HOST PORT`: answers each line by `echo LINE`. `ask HOST PORT COUNT`: says COUNT lines, 50 ms apart, on one
 * connection, and tells `{"answered", "gapMs"}`: how many were answered, and the longest wait for an answer; it gives up
 * after three seconds of silence. `udp HOST PORT`: sends one datagram.
 */
import type { Socket } from 'bun';

const [mode, hostname = '', port = '0', count = '1'] = Bun.argv.slice(2);
const giveUpMs = 3_000;

const say = (value: object) => console.log(JSON.stringify(value));

function serve(): void {
  Bun.listen({
    hostname,
    port: Number(port),
    socket: { data: (socket: Socket, data) => void socket.write(`echo ${new TextDecoder().decode(data)}`) },
  });
  say({ ready: true });
}

async function ask(): Promise<void> {
  let [answered, gapMs] = [0, 0];
  let heard = Promise.withResolvers<boolean>();
  const connecting = Bun.connect({
    hostname,
    port: Number(port),
    socket: { data: () => heard.resolve(true), close: () => heard.resolve(false), error: () => heard.resolve(false) },
  });
  const socket = await Promise.race([connecting, Bun.sleep(giveUpMs)]).catch(() => undefined);
  for (let line = 0; socket !== undefined && line < Number(count); line += 1) {
    heard = Promise.withResolvers<boolean>();
    const start = performance.now();
    socket.write(`line ${line}\n`);
    if ((await Promise.race([heard.promise, Bun.sleep(giveUpMs)])) !== true) break;
    answered += 1;
    gapMs = Math.max(gapMs, performance.now() - start);
    await Bun.sleep(50);
  }
  socket?.end();
  say({ answered, gapMs });
}

async function sendOne(): Promise<void> {
  const socket = await Bun.udpSocket({ connect: { hostname, port: Number(port) } });
  socket.send('hello');
  socket.close();
  say({ sent: true });
}

if (mode === 'serve') serve();
else void (mode === 'ask' ? ask() : sendOne());
