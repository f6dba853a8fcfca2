/**
 * A process that gives bytes: `listen` to whoever connects over TCP, `push` over TLS to the raw copy.
 *
 *     bun bench/fleet/byte-source.ts listen BYTES           prints {"ready":true,"port":N}
 *     bun bench/fleet/byte-source.ts push BYTES PORT CA.PEM
 */
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { connect } from 'node:tls';

const [, , how = '', size = '0', port = '0', caFile = ''] = Bun.argv;
const chunk = new Uint8Array(64 * 1024);

async function give(socket: Socket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0 && !socket.destroyed; left -= chunk.length) {
    const part = left < chunk.length ? chunk.subarray(0, left) : chunk;
    if (!socket.write(part)) await new Promise((resolve) => socket.once('drain', resolve));
  }
  socket.end();
}

if (how === 'listen') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    void give(socket, Number(size));
  });
  server.listen(0, '127.0.0.1', () => {
    console.log(JSON.stringify({ ready: true, port: (server.address() as AddressInfo).port }));
  });
} else {
  const socket = connect({ port: Number(port), host: '127.0.0.1', ca: readFileSync(caFile), servername: 'localhost' });
  socket.on('error', (error) => console.error(error));
  socket.once('secureConnect', () => {
    socket.write('p');
    void give(socket, Number(size));
  });
}
