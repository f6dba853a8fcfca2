/**
 * The least that a relay does: TLS in, TLS out, nothing looked at. It joins one connection that begins with `p` (gives
 * bytes) to one that begins with `c` (takes them).
 *
 *     bun bench/fleet/raw-copy.ts IDENTITY.PEM     prints {"ready":true,"port":N}
 */
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { readServerIdentity } from './server-identity.ts';

const waiting: Partial<Record<'p' | 'c', TLSSocket>> = {};

function join(from: TLSSocket, to: TLSSocket): void {
  from.pipe(to);
  from.resume();
}

const server = createServer({ ...readServerIdentity(Bun.argv[2] ?? ''), minVersion: 'TLSv1.3' }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (first: Buffer) => {
    socket.pause();
    const role = first.toString('latin1', 0, 1) === 'p' ? 'p' : 'c';
    if (first.length > 1) socket.unshift(first.subarray(1));
    waiting[role] = socket;
    const { p, c } = waiting;
    if (p === undefined || c === undefined) return;
    waiting.p = waiting.c = undefined;
    join(p, c);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ ready: true, port: (server.address() as AddressInfo).port }));
});
