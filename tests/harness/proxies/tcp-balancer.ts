/**
 * What stands before several replicas: passes TCP connections to the first of them that takes one, and knows nothing of
 * what is in them. As a process, so that it can stand in a namespace:
 *
 *     bun tests/harness/proxies/tcp-balancer.ts 10.99.0.1:3100 10.99.0.2:3100 10.99.0.3:3100     (listen, then replicas)
 */
import { connect, createServer, type Socket } from 'node:net';

const [listen = '', ...replicas] = process.argv.slice(2);
const connectMs = 1_000;

const addressOf = (text: string) => {
  const [host = '', port = ''] = text.split(':');
  return { host, port: Number(port) };
};

function dial(text: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...addressOf(text), noDelay: true, allowHalfOpen: true });
    const late = setTimeout(() => socket.destroy(new Error('no answer')), connectMs);
    socket.once('connect', () => {
      clearTimeout(late);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

async function firstThatTakes(): Promise<Socket | undefined> {
  for (const replica of replicas) {
    const socket = await dial(replica).catch(() => undefined);
    if (socket !== undefined) return socket;
  }
  return undefined;
}

/** A connection ends as a whole, as it does when a process behind it was killed. */
function join(one: Socket, other: Socket): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => to.destroy());
    from.on('close', () => to.destroy());
    from.pipe(to);
  }
}

const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
  client.on('error', () => undefined);
  void firstThatTakes().then((replica) => {
    if (replica === undefined) return void client.destroy();
    join(client, replica);
    client.resume();
  });
});
const { host, port } = addressOf(listen);
server.listen(port, host, () => console.log('balancing'));
